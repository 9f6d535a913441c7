"""What every tracker holds of a real run that broke off, went on and was found unhealthy, read back.

`make test-trackers` runs these in an environment that has the packages. Nothing here reaches the network.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from truing.config.recipe import Recipe
from truing.config.run_folder import METRICS, RunFolder
from truing.config.track import TRACKERS
from truing.core.errors import UsageError
from truing.core.files import read_jsonl
from truing.runs import trackers
from truing.runs.train import train_recipe
from truing.training.hooks import Logs

pytestmark = [pytest.mark.trackers, pytest.mark.slow]
STEPS, SAVED, BROKEN = 12, 4, 6
HERE = {  # where each tracker writes, below one folder
    "WANDB_MODE": "offline",
    "WANDB_DIR": ".",
    "TRACKIO_DIR": "trackio",
    "SWANLAB_LOG_DIR": "swanlog",
    "SWANLAB_MODE": "offline",
    "MLFLOW_TRACKING_URI": "sqlite:///{}/mlflow.db",
}


def missing() -> list[str]:
    """The trackers whose packages are not installed."""
    found = []
    for name in TRACKERS:
        try:
            trackers.require_trackers([name])
        except UsageError:
            found.append(name)
    return found


class PowerCut(Exception):
    """Ends a process in the middle of a run, as far as its trackers are concerned."""


class Told:
    """What is shown of every step; the power fails at one of them."""

    def __init__(self, at: int | None) -> None:
        self.at = at

    def step(self, step: int, logs: Logs) -> None:
        if step == self.at:
            raise PowerCut


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tracked-rows") / "rows.jsonl"
    texts = [{"prompt": f"Question {i}?", "completion": f"Yes, {i} {'good ' * (i % 3)}"} for i in range(12)]
    path.write_text("".join(json.dumps(row) + "\n" for row in texts))
    return path


Train = Callable[..., list[str]]


@pytest.fixture(scope="module")
def train(model_folder: Path, rows: Path) -> Train:
    """Trains in a folder with the trackers of `track`; returns what was said."""

    def one(output: Path, track: object, cut: int | None = None, **changes: Any) -> list[str]:
        recipe = {
            "method": "sft",
            "policy": str(model_folder),
            "data": {"train": str(rows)},
            "optim": {"learning_rate": 0.1, "items_per_step": 3, "epochs": 9, "max_steps": STEPS},
            "checkpoint": {"every": SAVED, "keep": 9},
            "dtype": "float32",
            "lora": None,
            "track": track,
            "output": str(output),
            **changes,
        }

        @contextmanager
        def watch(title: str, total: int) -> Iterator[Told]:
            yield Told(cut)

        said: list[str] = []
        with RunFolder.open(output) as folder:
            train_recipe(Recipe.model_validate(recipe), folder, said.append, watch)
        return said

    return one


class Tracked:
    """A run that all trackers saw, and the folder below which they wrote."""

    def __init__(self, place: Path, said: list[str]) -> None:
        self.place, self.said = place, said
        self.run = place / "my-run"
        self.metrics = read_jsonl(self.run / METRICS)
        self.names = json.loads((self.run / "trackers.json").read_text())

    def column(self, name: str) -> list[float]:
        return [row[name] for row in self.metrics]


@pytest.fixture(scope="module")
def tracked(train: Train, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracked]:
    """Twelve steps at a rate that lets the loss rise; the power fails at the sixth, two after a checkpoint."""
    if lacking := missing():
        pytest.skip(f"`make test-trackers` has an environment with {', '.join(lacking)}")
    place = tmp_path_factory.mktemp("tracked")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for name, value in HERE.items():
            patch.setenv(name, value if name.endswith("MODE") else value.format(place))
        with pytest.raises(PowerCut):
            train(place / "my-run", list(TRACKERS), cut=BROKEN)
        yield Tracked(place, train(place / "my-run", list(TRACKERS)))


def test_where_it_goes_is_said(tracked: Tracked):
    print("\n".join(tracked.said))
    assert f"tracked by {', '.join(TRACKERS)} as my-run in project truing" in tracked.said
