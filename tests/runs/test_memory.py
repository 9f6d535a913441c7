"""Runs where memory is short: the steps are the same, and a row that does not fit leaves a checkpoint."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from truing.config.recipe import Recipe
from truing.config.run_folder import RunFolder, read_metrics
from truing.core.errors import MemoryShortError
from truing.data.packing import PackedBatch
from truing.models.scoring import Trunk
from truing.runs.opening import open_run
from truing.runs.run import run


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The most `tokens` that a pass may have; what is larger raises as CUDA's allocator does."""
    held, states = {"tokens": 10_000, "widest": 0}, Trunk._states

    def limited(self: Trunk, batch: PackedBatch) -> Tensor:
        if batch.tokens.numel() > held["tokens"]:
            raise torch.OutOfMemoryError("CUDA out of memory")
        held["widest"] = max(held["widest"], batch.tokens.numel())
        return states(self, batch)

    monkeypatch.setattr(Trunk, "_states", limited)
    return held


def recipe_of(method: str, policy: Path, rows: Path, output: Path, **changes: Any) -> Recipe:
    recipe = {
        "method": method,
        "policy": str(policy),
        "data": {"train": str(rows)},
        "lora": {"r": 4},
        "optim": {
            "learning_rate": 1e-2,
            "items_per_step": 6,
            "schedule": "constant",
            "epochs": 2,
            "max_steps": 3,
        },
        "dtype": "float32",
        "output": str(output),
    }
    return Recipe.model_validate(recipe | changes)


ONLINE = {
    "rewards": [{"name": "length", "high": 3, "unit": "words"}],
    "sampling": {"max_new_tokens": 6},
}


@pytest.mark.parametrize(("method", "changes"), [("dpo", {}), ("ppo", ONLINE), ("grpo", ONLINE)], ids=str)
def test_metrics_are_those_of_large_passes(model_folder, pairs_file, tmp_path, memory, method, changes):
    def metrics(name: str, tokens: int) -> list[dict[str, Any]]:
        session = open_run(recipe_of(method, model_folder, pairs_file, tmp_path / name, **changes))
        memory["tokens"], memory["widest"] = tokens, 0
        with RunFolder.open(tmp_path / name) as folder:
            run(session, folder)
        return read_metrics(tmp_path / name)

    wanted = metrics("large", 10_000)
    found = metrics("small", memory["widest"] // 2)
    assert 0 < memory["widest"] <= memory["tokens"]
    for one, other in zip(found, wanted, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-5, abs=1e-6)
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-3)


def test_a_row_that_does_not_fit_is_named_and_the_steps_before_it_are_kept(
    model_folder, pairs_file, tmp_path, memory
):
    changes = {"checkpoint": {"every": 100}}
    session = open_run(recipe_of("dpo", model_folder, pairs_file, tmp_path / "run", **changes))

    def shrink(step: int, logs: dict[str, float]) -> None:
        memory["tokens"] = 10_000 if step < 2 else 5

    with RunFolder.open(tmp_path / "run") as folder:
        with pytest.raises(MemoryShortError, match=r"a pass of \d+ tokens \(row pairs\.jsonl:\d+\)"):
            run(session, folder, watch=[shrink])
        assert [path.name for path in folder.checkpoints.glob("step-*")] == ["step-000002"]
        status = json.loads((folder.path / "status.json").read_text())
    assert (status["state"], status["step"]) == ("failed", 2)
