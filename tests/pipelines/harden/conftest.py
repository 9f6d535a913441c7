"""A hardening of the tiny model, with few prompts of every kind."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from truing.config.harden import HardenRecipe
from truing.evals import questions
from truing.evals.suites import load_suite
from truing.evals.suites.ordinary import load_ordinary
from truing.pipelines.harden import plan
from truing.pipelines.harden.run import Hardened, harden

PACE = plan.MachinePace(load=0.1, read=1e-4, write=1e-3, keep=1e-3, learn=1e-2)


class Line:
    """A progress line; `stop` is called with the title of every step."""

    def __init__(self, title: str, stop: Callable[[str], None]) -> None:
        self.title, self.stop = title, stop

    def update(self, done: int) -> None:
        self.stop(self.title)

    def step(self, step: int, logs: dict[str, float]) -> None:
        self.stop(self.title)


class Watch:
    """Watches tasks and steps, and keeps their titles."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.stop: Callable[[str], None] = lambda title: None

    def __call__(self, title: str, done: int, total: int) -> None:
        self.seen.append(title)
        self.stop(title)

    def close(self) -> None:
        self.seen.append("closed")

    @contextmanager
    def steps(self, title: str, total: int) -> Iterator[Line]:
        yield Line(title, self.stop)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave two look-alikes, some everyday prompts and four tasks to measure with, and a known pace."""
    every, held_out = load_ordinary, questions.headlines
    monkeypatch.setattr(questions, "load_ordinary", lambda language=None: every(language)[:6])
    monkeypatch.setattr(questions, "load_suite", lambda name, languages=None: load_suite(name, languages)[:2])
    monkeypatch.setattr(
        questions, "headlines", lambda languages, harmful: held_out(languages, harmful=harmful)[:2]
    )
    monkeypatch.setattr(plan, "measured_pace", lambda *given: (PACE, 20.0))


@pytest.fixture
def hardened(few: None, tmp_path: Path, model_folder: Path, watch: Watch) -> Callable[..., Hardened]:
    """Hardens the tiny model; keyword arguments are keys of `harden`."""

    def run(told: list[str] | None = None, **changes: Any) -> Hardened:
        plan = {
            "policy": str(model_folder),
            "topics": 4,
            "attacks": ["plain", "prefix"],
            "held_out_attacks": ["authority"],
            "per_category": 1,
            "max_new_tokens": 4,
            "early": False,
            "train": {"optim": {"epochs": 1.0}},
        }
        asked = {"harden": plan | changes, "output": str(tmp_path / "harden")}
        say = (told if told is not None else []).append
        return harden(HardenRecipe.model_validate(asked), say, watch, watch.steps)

    return run
