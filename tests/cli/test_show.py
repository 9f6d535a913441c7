"""The work of a verb is told at once: plain lines where nobody watches, a live line on a terminal."""

import io

import pytest
from rich.console import Console

from truing.cli import show
from truing.cli.show import StageLine


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


def test_a_plain_line_says_how_long_it_will_take(capsys, monkeypatch):
    """Resumed at 10 of 50, the first step takes 9 s to begin; 10 more in 5 s leave 29, which take 14.5 s."""
    now = iter([100.0, 109.0, 114.0, 130.0])
    monkeypatch.setattr("truing.cli.show.time.perf_counter", lambda: next(now))
    line = StageLine("SFT", 50, done=10, every=1.0)
    line.update(11)
    line.update(21, "loss 1.5")
    line.update(50)
    told = capsys.readouterr().err.splitlines()
    assert told == ["SFT: 11/50  9 s", "SFT: 21/50  14 s, ETA 14 s  loss 1.5", "SFT: 50/50  30 s"]


def test_lines_do_not_come_too_often_but_the_last_one_comes(capsys):
    line = StageLine("DPO", 2, every=1000.0)
    line.update(1)
    line.update(2)
    assert capsys.readouterr().err.splitlines() == ["DPO: 2/2  0 s"]
