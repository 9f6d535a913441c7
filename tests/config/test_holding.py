import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from truing.config.holding import LOCK, holder, require_free
from truing.config.run_folder import RunFolder
from truing.core import files
from truing.core.errors import StorageError, UsageError

HOLD = """import sys, time
from truing.config.run_folder import RunFolder
{opened}
print("open", flush=True)
time.sleep(60)"""
OPENED = "folder = RunFolder.open(sys.argv[1])"
FORKED = f"import os; {OPENED}; child = os.fork(); print(child, flush=True) if child else time.sleep(20)"


@pytest.fixture
def other_process(tmp_path: Path):
    """Another Python process that has opened `tmp_path / "run"`."""
    command = [sys.executable, "-c", HOLD.format(opened=OPENED), str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


def test_open_makes_the_folder_and_close_frees_it(tmp_path: Path):
    with RunFolder.open(tmp_path / "runs" / "a") as folder:
        assert folder.checkpoints.is_dir()
        found = holder(folder.path)
        assert found is not None
        assert (found.pid, found.host) == (os.getpid(), socket.gethostname())
        with pytest.raises(UsageError):
            RunFolder.open(folder.path)
    assert holder(tmp_path / "runs" / "a") is None
    RunFolder.open(tmp_path / "runs" / "a").close()


def test_a_lock_that_cannot_be_released_hides_no_failure(tmp_path: Path, monkeypatch, caplog):
    """A disk has turned read-only: the process ends with what failed first."""

    def refuse(*given: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    with pytest.raises(StorageError, match="the first failure"), RunFolder.open(tmp_path / "run"):
        monkeypatch.setattr(os, "open", refuse)
        raise StorageError("the first failure")
    assert "run.lock is not released: Read-only file system" in caplog.text


def test_a_second_process_is_refused_at_once_with_the_pid_and_host_of_the_first(tmp_path, other_process):
    start = time.monotonic()
    with pytest.raises(UsageError) as caught:
        RunFolder.open(tmp_path / "run")
    assert time.monotonic() - start < 20  # the other holds it for 60
    assert f"process {other_process.pid} on {socket.gethostname()}" in str(caught.value)
    assert caught.value.exit_code == 2
    with pytest.raises(UsageError, match=f"process {other_process.pid} on "):
        require_free(tmp_path / "run")


def test_a_folder_that_nobody_holds_is_free_and_untouched(tmp_path: Path):
    require_free(tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []
    stale = {"pid": os.getpid(), "host": socket.gethostname(), "birth": 1.0}
    (tmp_path / LOCK).write_text(json.dumps(stale))
    require_free(tmp_path)
    assert json.loads((tmp_path / LOCK).read_text()) == stale


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path, other_process):
    other_process.send_signal(signal.SIGKILL)
    other_process.wait()
    assert holder(tmp_path / "run") is None
    with RunFolder.open(tmp_path / "run"):
        found = holder(tmp_path / "run")
        assert found is not None
        assert found.pid == os.getpid()


def test_a_worker_forked_by_a_killed_process_does_not_keep_its_lock(tmp_path: Path):
    command = [sys.executable, "-c", HOLD.format(opened="exec(sys.argv[2])"), str(tmp_path / "run"), FORKED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        process.kill()
        process.wait()
        try:
            os.kill(worker, 0)
            RunFolder.open(tmp_path / "run").close()
        finally:
            os.kill(worker, signal.SIGKILL)


@pytest.mark.parametrize("content", [b"", b'{"pid": 1, "ho', b"[]", b'{"pid": 1}'])
def test_a_torn_lock_belongs_to_nobody(tmp_path: Path, content: bytes):
    (tmp_path / LOCK).write_bytes(content)
    with RunFolder.open(tmp_path):
        now = holder(tmp_path)
        assert now is not None
        assert (now.pid, now.birth != 1.0) == (os.getpid(), True)


def test_a_reused_pid_does_not_keep_a_lock(tmp_path: Path):
    stale = {"pid": os.getpid(), "host": socket.gethostname(), "birth": 1.0}
    (tmp_path / LOCK).write_text(json.dumps(stale))
    with RunFolder.open(tmp_path):
        now = holder(tmp_path)
        assert now is not None
        assert (now.pid, now.birth != 1.0) == (os.getpid(), True)


def test_a_lock_of_another_host_stays_and_the_hint_says_how_to_remove_it(tmp_path: Path):
    lock = tmp_path / LOCK
    lock.write_text(json.dumps({"pid": 1, "host": "elsewhere", "birth": 1.0}))
    with pytest.raises(UsageError, match="process 1 on elsewhere") as caught:
        RunFolder.open(tmp_path)
    assert f"remove {lock}" in caught.value.hint


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file/run cannot be written: Not a directory"):
        RunFolder.open(tmp_path / "file" / "run")


def test_files_that_were_never_finished_are_removed_at_the_next_start(tmp_path: Path):
    leftover = tmp_path / f".status.json{files.TEMPORARY}1-aa"
    leftover.write_text("{")
    (tmp_path / "notes.txt").write_text("mine")
    RunFolder.open(tmp_path).close()
    assert not leftover.exists()
    assert (tmp_path / "notes.txt").exists()
