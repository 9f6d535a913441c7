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
from truing.runs.online_session import OnlineSession
from truing.runs.opening import open_run
from truing.runs.run import run
from truing.sampling import local


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The most `tokens` that a pass may have; what is larger raises as CUDA's allocator does."""
    held, states = {"tokens": 10_000, "widest": 0, "failed": 0}, Trunk._states

    def limited(self: Trunk, batch: PackedBatch) -> Tensor:
        if batch.tokens.numel() > held["tokens"]:
            held["failed"] += 1
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


HELD_OUT = {"data": {"eval_fraction": 0.5}, "evaluate": {"every": 1}}


@pytest.mark.parametrize(
    ("method", "changes"),
    [("dpo", HELD_OUT), ("kto", {"unpair": True}), ("grpo", ONLINE)],
    ids=str,
)
def test_n3_the_size_that_is_found_is_kept_with_the_run(
    model_folder, pairs_file, tmp_path, memory, method, changes
):
    """Memory is short from step 2 on, and in the evaluation of step 1. The resumed run never tries more."""
    data = {"train": str(pairs_file)} | changes.get("data", {})
    data |= {"unpair": True} if "unpair" in changes else {}
    changes = {key: value for key, value in changes.items() if key != "unpair"}
    optim = {"items_per_step": 6, "epochs": 9, "max_steps": 3, "learning_rate": 1e-2}
    how = {
        **changes,
        "data": data,
        "optim": optim,
        "checkpoint": {"every": 1},
        "lora": {"r": 4, "dropout": 0.0},
    }

    def trained(name: str, tokens: int, stop: int = 0, *, resumed: bool = False) -> list[dict[str, Any]]:
        memory["tokens"] = 10_000
        session = open_run(recipe_of(method, model_folder, pairs_file, tmp_path / name, **how))
        memory["widest"] = memory["failed"] = 0
        memory["tokens"] = tokens if resumed else 10_000

        def watch(step: int, logs: dict[str, float]) -> None:
            memory["tokens"] = tokens
            if step == stop:
                raise KeyboardInterrupt

        with RunFolder.open(tmp_path / name) as folder:
            run(session, folder, watch=[watch])
        return read_metrics(tmp_path / name)

    wanted = trained("large", 10_000)
    limit = memory["widest"] // 2
    with pytest.raises(KeyboardInterrupt):
        trained("small", limit, stop=3)
    assert memory["failed"] >= 1
    (newest,) = (tmp_path / "small" / "checkpoints").glob("step-000002")
    assert json.loads((newest / "state.json").read_text())["session"]["tokens_per_pass"] <= limit
    found = trained("small", limit, resumed=True)
    assert memory["failed"] == 0, "the size is known from the checkpoint"
    assert [row["step"] for row in found] == [1, 2, 3]
    for one, other in zip(found, wanted, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-6, abs=1e-6)
        if "eval/loss" in other:
            assert one["eval/loss"] == pytest.approx(other["eval/loss"], rel=1e-6, abs=1e-6)


def test_n3_the_responses_in_flight_are_kept_with_the_run(model_folder, pairs_file, tmp_path, monkeypatch):
    """Memory holds four responses at once: the same are drawn, and the resumed run never tries more."""
    read, tried = local._read, list[int]()

    def limited(decoder: Any, asked: Any, rows: Any, *rest: Any) -> Any:
        tried.append(len(rows))
        if len(rows) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return read(decoder, asked, rows, *rest)

    def trained(name: str, stop: int = 0) -> list[dict[str, Any]]:
        how = ONLINE | {"checkpoint": {"every": 1}}
        session = open_run(recipe_of("grpo", model_folder, pairs_file, tmp_path / name, **how))
        assert isinstance(session, OnlineSession)
        tried.clear()

        def watch(step: int, logs: dict[str, float]) -> None:
            if step == stop:
                raise KeyboardInterrupt

        with RunFolder.open(tmp_path / name) as folder:
            session.log_sample = folder.log_sample
            run(session, folder, watch=[watch])
        return [row["reward"] for row in read_metrics(tmp_path / name)]

    monkeypatch.setattr(local, "_read", limited)
    most = 10_000
    wanted = trained("large")
    most = 4
    with pytest.raises(KeyboardInterrupt):
        trained("small", stop=2)
    assert max(tried) > 4
    state = json.loads((tmp_path / "small" / "checkpoints" / "step-000001" / "state.json").read_text())
    assert state["session"]["tokens_in_flight"] > 0
    assert trained("small") == wanted and max(tried) <= 4
    samples = [(tmp_path / name / "samples.jsonl").read_bytes() for name in ("small", "large")]
    assert samples[0] == samples[1]


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
