"""The display of work in progress is the program's; without one nothing is shown."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from truing.core import doing as module
from truing.core.doing import Tick, doing, show_with


def test_without_a_display_the_block_runs_in_silence(capsys: pytest.CaptureFixture[str]):
    with doing("loading", 3) as tick:
        tick(1)
    assert capsys.readouterr() == ("", "")


def test_a_display_is_told_the_work_and_what_is_done(monkeypatch: pytest.MonkeyPatch):
    told: list[object] = []

    @contextmanager
    def show(what: str, total: int | None) -> Iterator[Tick]:
        told.append((what, total))
        yield told.append
        told.append("end")

    monkeypatch.setattr(module, "_show", list(module._show))
    show_with(show)
    with doing("loading", 3) as tick:
        tick(2)
    assert told == [("loading", 3), 2, "end"]
