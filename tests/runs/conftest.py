"""Runs with experiment trackers, as `truing train` makes them."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from truing.config.config import load_recipe
from truing.config.recipe import Recipe
from truing.config.run_folder import RunFolder
from truing.runs import stored
from truing.runs.train import train_recipe
from truing.training.hooks import Logs

TrainTracked = Callable[..., list[str]]


@dataclass
class Shown:
    """The display of every step; at one of them the process ends, as far as trackers are concerned."""

    cut: int | None

    def step(self, step: int, logs: Logs) -> None:
        if step == self.cut:
            raise RuntimeError("the power fails")


@pytest.fixture(scope="module")
def train_tracked(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainTracked:
    """Trains twelve steps of SFT in a folder with `track`; returns what was said.

    The rate is so high that the loss rises, which a sharpened rule sees at step 9. A checkpoint every four.
    """
    rows = tmp_path_factory.mktemp("tracked-rows") / "rows.jsonl"
    texts = [{"prompt": f"Question {i}?", "completion": f"Yes, {i} {'good ' * (i % 3)}"} for i in range(12)]
    rows.write_text("".join(json.dumps(row) + "\n" for row in texts))

    def one(output: Path, track: object, cut: int | None = None, **changes: Any) -> list[str]:
        recipe = {
            "method": "sft",
            "policy": str(model_folder),
            "data": {"train": str(rows)},
            "optim": {
                "learning_rate": 3.0,
                "schedule": "constant",
                "warmup": 0,
                "items_per_step": 3,
                "epochs": 9,
                "max_steps": 12,
            },
            "checkpoint": {"every": 4, "keep": 9},
            "dtype": "float32",
            "lora": None,
            "health": {"rules": {"loss_spikes": {"once": 0.5}}},
            "track": track,
            "output": str(output),
            **changes,
        }

        @contextmanager
        def watch(title: str, total: int) -> Iterator[Shown]:
            yield Shown(cut)

        said: list[str] = []
        with RunFolder.open(output) as folder:
            train_recipe(Recipe.model_validate(recipe), folder, said.append, watch)
        return said

    return one


@pytest.fixture
def bad_rows() -> list[str]:
    """Two lines that cannot be used, each in its way."""
    return ['{"prompt": "p", "chosen": "same", "rejected": "same"}', "{broken"]


@pytest.fixture
def many_rows(tmp_path: Path, bad_rows: list[str]) -> Path:
    """300 pairs of unlike lengths, two of which are bad, and some that stand twice."""
    path = tmp_path / "many.jsonl"
    lines = [
        json.dumps(
            {
                "prompt": f"Question {i % 280}?",
                "chosen": "yes " * (1 + i % 7) + str(i % 280),
                "rejected": f"No {'never ' * (i % 5)}{i % 280}",
                "category": "even" if i % 2 == 0 else None,
            }
        )
        for i in range(298)
    ]
    lines[40:40] = bad_rows
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def both(
    recipe: Callable[..., Path], many_rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Any, Any]]:
    """Calls a function of a recipe twice: with its rows in memory, and with its rows on disk.

    `only` names one of the two.
    """
    monkeypatch.setenv("TRUING_CACHE", str(tmp_path / "cache"))

    def call(work: Callable[[Any], Any], *, only: str = "", **changes: Any) -> tuple[Any, Any]:
        data = {"train": [str(many_rows)], **changes.pop("data", {})}
        loaded = load_recipe(recipe(data=data, **{"tokens_per_pass": 2048, **changes}), []).recipe
        found = []
        for name, bound in (("memory", stored.LARGE), ("disk", 0)):
            if only not in ("", name):
                found.append(None)
                continue
            with monkeypatch.context() as patch:
                patch.setattr(stored, "LARGE", bound)
                patch.setattr(stored, "useful_workers", lambda: 2)
                found.append(work(loaded.model_copy(update={"output": str(tmp_path / name)})))
        return found[0], found[1]

    return call
