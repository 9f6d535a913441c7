"""Trackers beside a run: they change no number of it, and what they do wrong does not end it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from truing.config.run_folder import METRICS
from truing.core.errors import ConfigError, UsageError
from truing.core.files import read_jsonl
from truing.runs import tracking
from truing.runs.trackers import KINDS, Named, TrackerKind
from truing.training.health import Finding, Unhealthy
from truing.training.hooks import Logs

PACE = ("seconds", "tokens_per_second")


class Notebook:
    """A tracker that keeps what it is told in lists, and is down for some of its calls."""

    def __init__(self, down: Callable[[int], bool] = lambda call: False, closed: bool = False) -> None:
        self.down, self.closed, self.calls = down, closed, 0
        self.opened: list[Named] = []
        self.steps: list[tuple[int, bool]] = []
        self.rows: dict[int, Logs] = {}
        self.findings: list[Finding] = []
        self.ended: list[bool] = []

    def open(self, run: Named) -> "Notebook":
        if self.closed:
            raise ConnectionError("no such server")
        self.opened.append(run)
        return self

    def _asked(self) -> None:
        self.calls += 1
        if self.down(self.calls):
            raise ConnectionError(f"call {self.calls}: nobody answers")

    def log(self, tracker: object, step: int, logs: Logs, again: bool) -> None:
        self._asked()
        self.steps.append((step, again))
        self.rows[step] = logs

    def alert(self, tracker: object, finding: Finding) -> None:
        self._asked()
        self.findings.append(finding)

    def finish(self, tracker: object, failed: bool) -> None:
        self.ended.append(failed)

    def kind(self) -> TrackerKind:
        opened: Any = self.open
        return TrackerKind("json", opened, "NOTEBOOK_PROJECT", self.log, self.alert, self.finish)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Notebook]:
    """Puts a notebook where the table has trackio."""

    def put(**how) -> Notebook:
        notebook = Notebook(**how)
        monkeypatch.setattr(tracking, "KINDS", {**KINDS, "trackio": notebook.kind()})
        monkeypatch.setattr("truing.runs.trackers.KINDS", {**KINDS, "trackio": notebook.kind()})
        return notebook

    return put


def numbers(run: Path) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k not in PACE} for row in read_jsonl(run / METRICS)]


def test_a_tracker_gets_what_is_logged_and_changes_none_of_it(
    train_tracked, place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    notebook = place()
    monkeypatch.setenv("NOTEBOOK_PROJECT", "theirs")
    train_tracked(tmp_path / "alone", [])
    train_tracked(tmp_path / "told", "trackio")
    assert numbers(tmp_path / "told") == numbers(tmp_path / "alone")
    assert [{"step": step, **row} for step, row in notebook.rows.items()] == read_jsonl(
        tmp_path / "told" / METRICS
    )
    (named,) = notebook.opened
    assert (named.project, named.name, named.known) == ("theirs", "told", None)
    assert named.config["optim"]["items_per_step"] == 3
    assert [(one.rule, one.step, one.action) for one in notebook.findings] == [("loss_spikes", 9, "warn")]
    assert notebook.ended == [False]


def test_a_run_that_goes_on_is_the_same_one_there(train_tracked, place, tmp_path: Path):
    notebook = place()
    track = {"to": ["trackio"], "project": "mine", "name": "first"}
    with pytest.raises(RuntimeError, match="the power fails"):
        train_tracked(tmp_path / "run", track, cut=6)
    train_tracked(tmp_path / "run", track)
    begun, resumed = notebook.opened
    assert (begun.token, begun.known) == (resumed.token, None) and resumed.known is not None
    assert {(one.project, one.name) for one in notebook.opened} == {("mine", "first")}
    assert notebook.steps == [
        *((step, False) for step in range(1, 7)),
        (5, True),  # what was told of later steps no longer counts
        *((step, False) for step in range(6, 13)),
    ]
    assert notebook.ended == [True, False]


def test_a_tracker_may_be_added_when_a_run_goes_on(train_tracked, place, tmp_path: Path):
    notebook = place()
    with pytest.raises(RuntimeError, match="the power fails"):
        train_tracked(tmp_path / "run", [], cut=6)
    train_tracked(tmp_path / "run", "trackio")
    assert notebook.opened[0].known is None
    assert notebook.steps == [(step, False) for step in range(5, 13)]


def test_steps_after_a_rollback_are_told_again(train_tracked, place, tmp_path: Path):
    notebook = place()
    health = {"action": "rollback", "rollbacks": 1, "rules": {"loss_spikes": {"once": 0.5}}}
    with pytest.raises(Unhealthy):
        train_tracked(tmp_path / "run", "trackio", health=health)
    assert notebook.steps == [*((step, False) for step in range(1, 10)), (9, True)]
    assert [(one.action, one.back_to) for one in notebook.findings] == [("rollback", 8), ("stop", None)]
    assert notebook.ended == [True]


def test_a_tracker_that_is_down_for_a_while_gets_all_in_the_end(
    train_tracked, place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tracking, "PAUSE", 0.0)
    notebook = place(down=lambda call: 3 <= call <= 7)
    said = train_tracked(tmp_path / "run", "trackio")
    assert [step for step, _ in notebook.steps] == list(range(1, 13)), "in order, and none twice"
    told = [line for line in said if line.startswith("trackio does not take the metrics")]
    assert told == [
        "trackio does not take the metrics: ConnectionError: call 3: nobody answers;"
        " training goes on, and it is asked again"
    ]
    assert not [line for line in said if "has not taken" in line]


def test_a_tracker_that_stays_down_is_asked_seldom_and_what_it_lost_is_told(
    train_tracked, place, tmp_path: Path
):
    notebook = place(down=lambda call: call > 2)
    said = train_tracked(tmp_path / "run", "trackio")
    assert notebook.calls == 4, "two steps, a failure, and once more at the end: within a minute not again"
    assert "trackio has not taken 11 of the run's messages; metrics.jsonl has all" in said
    assert len(numbers(tmp_path / "run")) == 12


def test_what_does_not_open_is_told_before_the_first_step(train_tracked, place, tmp_path: Path):
    place(closed=True)
    with pytest.raises(UsageError, match="track: trackio does not start: no such server") as told:
        train_tracked(tmp_path / "run", "trackio")
    assert "docs/trackers.md" in told.value.hint
    assert not (tmp_path / "run" / METRICS).exists()


def test_a_package_that_is_not_installed_is_told_with_the_extra(
    train_tracked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    absent = {"wandb": TrackerKind("no_such_package", lambda run: pytest.fail("it was opened"))}
    monkeypatch.setattr("truing.runs.trackers.KINDS", absent)
    with pytest.raises(ConfigError, match="track: wandb is not installed") as told:
        train_tracked(tmp_path / "run", "wandb")
    assert told.value.hint.startswith("pip install no_such_package; truing's extra `trackers`")
