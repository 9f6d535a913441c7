"""Whatever goes wrong in the system or in truing ends in one message, never in a traceback."""

import errno
import os
import sys

import pytest

from truing.cli.main import main
from truing.config import config
from truing.config.run_folder import RunFolder
from truing.core import faults


@pytest.fixture
def run_here(monkeypatch: pytest.MonkeyPatch, tmp_path, capsys: pytest.CaptureFixture[str]):
    """Run a command line in this process, so that a fault can be planted; return its exit code and words."""
    monkeypatch.setenv("TRUING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TRUING_LANG", "en")
    monkeypatch.setattr(faults, "_last", [])

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["truing", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr().err
        assert "Traceback" not in said
        return ended.value.code, said

    return run


def test_an_unforeseen_exception_names_its_log(run_here, recipe, monkeypatch, tmp_path):
    monkeypatch.setattr(config, "refuse_foreign", None)
    code, said = run_here("check", recipe())
    assert code == 1
    assert "fault: this is a fault of truing: TypeError" in said
    log = tmp_path / "cache" / "truing.log"
    assert str(log) in said.replace("\n", "")
    assert "TypeError" in log.read_text()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO, errno.EACCES, errno.ENOSPC])
def test_a_file_system_that_refuses_in_mid_run_is_one_message(
    number, run_here, recipe, monkeypatch, tmp_path
):
    """The first failure is told, not that of `status.json`, which cannot be written either."""
    real = RunFolder.log_metrics

    def refuse(self: RunFolder, step: int, values: dict) -> None:
        if step == 2:
            monkeypatch.setattr("truing.core.files.os.fsync", broken)
            raise OSError(number, os.strerror(number), str(self.path / "metrics.jsonl"))
        real(self, step, values)

    def broken(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(RunFolder, "log_metrics", refuse)
    code, said = run_here("train", recipe())
    assert code == 5
    last = said.strip().splitlines()
    assert any(line.startswith("storage: ") and "metrics.jsonl" in line for line in last)
    assert os.strerror(number) in said


@pytest.mark.parametrize("verb", ["check", "train"])
def test_a_folder_where_a_file_should_be_is_one_message(verb, run_here, recipe, model_folder, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.mkdir()
    code, said = run_here(verb, recipe(data={"train": [str(rows)]}))
    assert code in (2, 3, 5)
    assert "rows.jsonl" in said
