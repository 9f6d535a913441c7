"""What a verb is doing is told at once: plain lines where nobody watches, a live line on a terminal."""

import io

import pytest
from rich.console import Console

from truing.cli import show


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    text = io.StringIO()
    monkeypatch.setattr(show, "error_console", Console(file=text, width=80))
    return text


def test_a_line_says_what_is_done_before_it_is(screen: io.StringIO):
    with show.show_doing("loading the weights of [m]", None):
        assert screen.getvalue() == "loading the weights of [m] …\n"
    assert screen.getvalue().count("\n") == 1


def test_counted_work_is_told_after_a_second_and_then_every_ten(screen, monkeypatch):
    clock = iter([0.0, 0.5, 1.5, 5.0, 12.0])
    monkeypatch.setattr(show.time, "perf_counter", lambda: next(clock))
    with show.show_doing("tokenising rows", 4) as tick:
        for done in (1, 2, 3, 4):
            tick(done)
    assert screen.getvalue() == "tokenising rows: 2/4\ntokenising rows: 4/4\n"


def test_on_a_terminal_it_is_live_and_gone_afterwards(monkeypatch):
    text = io.StringIO()
    console = Console(file=text, width=80, force_terminal=True, no_color=True, legacy_windows=False)
    monkeypatch.setattr(show, "error_console", console)
    with show.show_doing("importing torch", None):
        assert "importing torch …" in text.getvalue()
        with show.stage("DPO", 2) as line:  # one live line at a time: the outer one waits
            line.update(1)
        assert len(show._live) == 1
    assert show._live == []
    assert text.getvalue().rstrip("\x1b[?25h").endswith("\x1b[2K")  # the line is erased
