"""Metrics are read once each, from whatever wrote them."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from truing.core.files import json_line
from truing.web.runs import columns
from truing.web.runs.columns import LONGEST, MOST_NAMES, LineSource, MetricLog, open_log

from ...event_bytes import event, simple
from .folders import make_run


def values(log: MetricLog, name: str) -> list[float]:
    return log.column(name).values.tolist()


@pytest.fixture
def lines(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"

    def add(*rows: dict | bytes) -> MetricLog:
        with path.open("ab") as file:
            file.write(b"".join(row if isinstance(row, bytes) else json_line(row) for row in rows))
        return log

    log = MetricLog(LineSource(path))
    return add


def test_what_is_appended_is_read_alone(lines, monkeypatch):
    log = lines({"step": 1, "loss": 3.0})
    log.update()
    read: list[bytes] = []
    monkeypatch.setattr(
        columns, "_objects", lambda piece: read.append(piece) or [json.loads(p) for p in piece.splitlines()]
    )
    lines({"step": 2, "loss": 2.0, "kl": 1.0}, b'{"step": 3, "lo').update()
    lines(b'ss": 1.0}\n').update()
    log.update()
    assert [len(piece.splitlines()) for piece in read] == [1, 1], "each row once, a torn one when it is whole"
    assert (values(log, "loss"), values(log, "kl"), log.last_step) == ([3.0, 2.0, 1.0], [1.0], 3)
    assert log.column("kl").steps.tolist() == [2.0]
    assert log.generation == 1


def test_a_log_that_was_cut_back_begins_anew(lines, tmp_path):
    log = lines({"step": 1, "loss": 1.0}, {"step": 2, "loss": 2.0})
    log.update()
    (tmp_path / "new").write_bytes(json_line({"step": 1, "loss": 1.0}))
    (tmp_path / "new").replace(tmp_path / "metrics.jsonl")
    log.update()
    assert (log.generation, values(log, "loss"), log.last_step) == (2, [1.0], 1)


def test_what_is_no_number_is_a_gap_and_what_is_no_row_is_passed_over(lines):
    log = lines(
        {"step": 1, "loss": None, "text": "<b>"},
        b"not json\n[1]\n3\n],[\n\n",
        {"step": "two", "loss": 9.0},
        {"step": None, "loss": 9.0},
        {"step": 10**300, "loss": 9.0},
        {"loss": 9.0},
        {"step": 3, "loss": math.nan, "big": 10**400},
        {"step": 4, "loss": 0.5, "x" * (LONGEST + 1): 1.0, "list": [1]},
    )
    log.update()
    assert log.names == ["loss"]
    assert np.isnan(values(log, "loss")).tolist() == [True, True, False]


def test_a_line_longer_than_a_piece_and_many_names_are_bounded(lines, monkeypatch):
    monkeypatch.setattr(columns, "PIECE", 1000)
    log = lines(
        {"step": 1, **{f"m{n}": 1.0 for n in range(MOST_NAMES + 50)}}, b'"' + b"x" * 1_000_000 + b'"\n'
    )
    lines({"step": 2, "m0": 2.0}).update()
    assert len(log.names) == MOST_NAMES and values(log, "m0") == [1.0, 2.0]


def test_a_log_that_is_not_there_yet_is_empty(tmp_path):
    log = MetricLog(LineSource(tmp_path / "metrics.jsonl"))
    log.update()
    assert (log.names, log.last_step, values(log, "loss")) == ([], 0, [])


def test_logs_of_other_trainers_have_our_names(tmp_path, monkeypatch):
    monkeypatch.setattr(columns, "AGAIN", 0.0)
    trl = tmp_path / "trl" / "checkpoint-2"
    trl.mkdir(parents=True)
    history = [{"step": 1, "loss": 0.7, "step_time": 3.0}, {"step": 2, "eval_loss": 0.6}]
    (trl / "trainer_state.json").write_text(json.dumps({"log_history": history}))
    log = open_log(tmp_path / "trl")
    log.update()
    assert log.names == ["loss", "seconds", "eval/loss"]
    history.append({"step": 3, "loss": 0.5})
    (trl / "trainer_state.json").write_text(json.dumps({"log_history": history}))
    log.update()
    assert (values(log, "loss"), log.generation) == ([0.7, 0.5], 2)
    (trl / "trainer_state.json").write_text("{")
    log.update()
    assert values(log, "loss") == [0.7, 0.5], "half written: the next reading finds it whole"


def test_tensorboards_files_are_read_on(tmp_path):
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(
        event(2, simple("train/loss", 0.5)) + event(1, simple("train/loss", 1.0), simple("own", 2.0))
    )
    log = open_log(tmp_path)
    log.update()
    assert (values(log, "own"), values(log, "loss"), log.last_step) == ([2.0], [1.0, 0.5], 2)
    with path.open("ab") as file:
        file.write(event(3, simple("own", 4.0), simple("step", 3.0)))
    log.update()
    assert values(log, "own") == [2.0, 4.0]


def test_our_own_log_is_found(tmp_path):
    log = open_log(make_run(tmp_path / "run", steps=30))
    log.update()
    assert log.last_step == 30 and "rewards/accuracies" in log.names
