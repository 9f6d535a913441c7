"""An exception of any kind becomes one message; its trace goes to a log, without secrets."""

import errno
from pathlib import Path
from typing import Any

import pytest

from truing.core import faults, secrets
from truing.core.errors import ConfigError, MemoryShortError, StorageError


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRUING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(faults, "_last", [])
    monkeypatch.setattr(secrets, "_remembered", set())


def raised(error: Exception) -> Exception:
    """Return an error after raising it in a line that counts as truing's own."""
    text = "def raise_it(error):\n    raise error\n"
    names: dict[str, Any] = {}
    exec(compile(text, str(Path(faults.__file__).with_name("planted.py")), "exec"), names)
    try:
        names["raise_it"](error)
    except Exception as found:
        return found
    raise AssertionError("nothing was raised")


def raised_here(error: Exception) -> Exception:
    try:
        raise error
    except Exception as found:
        return found


def test_an_error_of_ours_stays_as_it_is() -> None:
    error = ConfigError("no key")
    assert faults.explained(error) is error


@pytest.mark.parametrize("number", faults.HINTS)
def test_an_error_of_the_system_names_the_path_and_what_to_do(number: int) -> None:
    told = faults.explained(OSError(number, "refused", "/data/rows.jsonl"))
    assert isinstance(told, StorageError)
    assert str(told) == "/data/rows.jsonl: refused"
    assert told.hint == faults.HINTS[number]


def test_an_error_of_the_system_without_a_path_says_its_reason() -> None:
    told = faults.explained(OSError(errno.EIO, "Input/output error"))
    assert str(told) == "the system refused: Input/output error"


def test_a_lack_of_memory_is_one() -> None:
    assert isinstance(faults.explained(MemoryError()), MemoryShortError)


def test_a_fault_of_ours_names_its_log_which_holds_the_trace_without_secrets(tmp_path: Path) -> None:
    secrets.remember({"api_key": "sk-planted"})
    told = faults.explained(raised(ZeroDivisionError("division\nof sk-planted")))
    assert isinstance(told, faults.OwnFault)
    assert str(told).startswith("this is a fault of truing: ZeroDivisionError: division of")
    log = tmp_path / "cache" / faults.LOG
    assert str(log) in told.hint
    text = log.read_text()
    assert "in raise_it" in text
    assert "sk-planted" not in text


def test_the_log_lies_beside_the_run_that_was_held_last(tmp_path: Path) -> None:
    run = tmp_path / "run"
    faults.log_beside(run)
    assert str(run / faults.LOG) in faults.explained(raised(KeyError("a"))).hint
    assert (run / faults.LOG).exists()


def test_a_log_that_cannot_be_written_beside_the_run_goes_to_the_cache(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    faults.log_beside(tmp_path / "run")
    assert str(tmp_path / "cache" / faults.LOG) in faults.explained(raised(KeyError("a"))).hint


def test_where_no_log_can_be_written_the_hint_says_how_to_get_one(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert "TRUING_CACHE" in faults.explained(raised(KeyError("a"))).hint


def test_code_outside_of_truing_is_named_with_its_line() -> None:
    told = faults.explained(raised_here(ZeroDivisionError("by zero")))
    assert isinstance(told, faults.OwnCodeError)
    assert "ZeroDivisionError: by zero" in str(told)
    assert f"{Path(__file__).name}:" in str(told)
    assert "fault of truing" not in str(told)
    assert faults.LOG in told.hint
