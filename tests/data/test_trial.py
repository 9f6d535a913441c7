"""A template is tried in a process of its own, once."""

import subprocess
import sys
from pathlib import Path

import pytest

from truing.core.errors import ModelError
from truing.data import bounded, trial
from truing.data.trial import require_bounded


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The inputs of the processes that were started."""
    monkeypatch.setenv("TRUING_CACHE", str(tmp_path))
    require_bounded.cache_clear()
    inputs: list[str] = []
    run = subprocess.run

    def recorded(*args, **how):
        inputs.append(how["input"])
        return run(*args, **how)

    monkeypatch.setattr(trial.subprocess, "run", recorded)
    return inputs


def test_a_template_that_passed_is_not_tried_again(started: list[str], tmp_path: Path):
    for _ in range(2):
        require_bounded("{{ messages[0].content }}")
        require_bounded.cache_clear()
    require_bounded("{{ messages[1].content }}")  # fails on one turn, which its rows will say
    assert len(started) == 2
    assert len(list((tmp_path / "templates").iterdir())) == 2


def test_a_template_that_goes_beyond_its_bounds_is_refused_each_time(started: list[str], tmp_path: Path):
    for _ in range(2):
        with pytest.raises(ModelError, match="takes more steps or writes more text"):
            require_bounded("{{ 'a' * 10**10 }}")
    assert len(started) == 2
    assert not (tmp_path / "templates").exists()


def instead(monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    """Let the other process do something else than render."""
    own = f"import time, os, truing.data.trial as t; t.write = lambda *args: {does}; from truing.data.trial"
    monkeypatch.setattr(trial, "PROGRAM", trial.PROGRAM.replace("from truing.data.trial", own))


def test_what_is_not_counted_ends_with_the_process(monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        instead(patch, "time.sleep(60)")
        patch.setattr(trial, "WAIT", 1)
        with pytest.raises(ModelError, match="does not end a few words within 1 seconds"):
            require_bounded("a")
    instead(monkeypatch, "os.kill(os.getpid(), 24)")
    with pytest.raises(ModelError, match="ended the chat template on a few words with SIGXCPU"):
        require_bounded("a")


def test_the_process_has_less_memory_than_the_machine(monkeypatch: pytest.MonkeyPatch):
    instead(monkeypatch, "bytearray(2 << 30)")
    with pytest.raises(RuntimeError, match="MemoryError"):
        require_bounded("a")


def test_the_units_are_part_of_what_is_remembered(monkeypatch: pytest.MonkeyPatch, started: list[str]):
    require_bounded("a")
    require_bounded.cache_clear()
    monkeypatch.setattr(trial, "UNITS", bounded.UNITS + 1)
    require_bounded("a")
    assert len(started) == 2


def test_no_torch_is_imported_for_a_trial():
    asked = "; sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    program = trial.PROGRAM.replace("; answer()", asked)
    assert subprocess.call([sys.executable, "-c", program, str(Path(trial.__file__).parents[2])]) == 0
