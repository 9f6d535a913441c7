"""The progress of a call: quiet, a bar, or a function of each step."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from truing.api.watching import Stages, display_of, in_notebook
from truing.core.errors import ConfigError


def test_a_script_is_quiet_and_sentences_go_to_the_log(capsys, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "truing")
    assert not in_notebook()
    for progress in ("auto", False):
        display = display_of(progress)
        display.say("a sentence")
        with display.stage("Training", 2) as line:
            line.step(1, {"loss": 0.5})
            line.update(2)
    assert capsys.readouterr() == ("", "") and caplog.messages == ["a sentence"] * 2


def test_a_function_is_called_with_every_step():
    seen: list[tuple[int, dict[str, float]]] = []
    with display_of(lambda step, logs: seen.append((step, dict(logs)))).stage("Training", 2) as line:
        line.step(1, {"loss": 0.5})
    assert seen == [(1, {"loss": 0.5})]


def test_a_bar_is_drawn_where_it_is_asked_for(capsys):
    display = display_of(True)
    display.say("a sentence")
    with display.stage("Training", 2) as line:
        line.step(2, {"loss": 0.5, "other": 1.0})
    drawn = capsys.readouterr().err
    assert "a sentence" in drawn and "Training" in drawn and "2/2" in drawn


def test_anything_else_is_told():
    with pytest.raises(ConfigError, match="progress is 'loud'"):
        display_of("loud")  # pyright: ignore[reportArgumentType]


def test_a_new_title_closes_the_stage_before():
    told: list[object] = []

    class Line:
        def update(self, done: int) -> None:
            told.append(done)

    @contextmanager
    def stage(title: str, total: int) -> Iterator[Line]:
        told.append(f"open {title}")
        yield Line()
        told.append(f"close {title}")

    with pytest.raises(ZeroDivisionError), Stages(stage) as stages:  # pyright: ignore[reportArgumentType]
        for title, done in (("a", 1), ("a", 2), ("b", 1)):
            stages(title, done, 2)
        raise ZeroDivisionError
    assert told == ["open a", 1, 2, "close a", "open b", 1, "close b"]
