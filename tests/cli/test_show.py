"""What a running verb shows where there is no terminal: plain lines, each with the time that is left."""

from truing.cli.show import StageLine


def test_a_plain_line_says_how_long_it_will_take(capsys, monkeypatch):
    """Resumed at 10 of 50: 10 more in 4 s leave 30, which take 12 s."""
    now = iter([100.0, 104.0, 116.0])
    monkeypatch.setattr("truing.cli.show.time.perf_counter", lambda: next(now))
    line = StageLine("SFT", 50, done=10, every=1.0)
    line.update(20, "loss 1.5")
    line.update(50)
    told = capsys.readouterr().err.splitlines()
    assert told == ["SFT: 20/50  4 s, ETA 12 s  loss 1.5", "SFT: 50/50  16 s"]


def test_lines_do_not_come_too_often_but_the_last_one_comes(capsys):
    line = StageLine("DPO", 2, every=1000.0)
    line.update(1)
    line.update(2)
    assert capsys.readouterr().err.splitlines() == ["DPO: 2/2  0 s"]
