import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from safetensors import SafetensorError

from truing.config.run_folder import RunFolder
from truing.core import files
from truing.core.errors import StorageError
from truing.core.files import problems, written_aside


def test_write_atomic_replaces_the_whole_content(tmp_path: Path):
    path = tmp_path / "status.json"
    files.write_atomic(path, "a long first version\n")
    files.write_atomic(path, "二\n")
    assert path.read_bytes() == "二\n".encode()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failed_write_keeps_the_old_content_and_says_what_was_needed(tmp_path, monkeypatch, call):
    path = tmp_path / "status.json"
    files.write_atomic(path, "old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), full)
    with pytest.raises(StorageError) as caught:
        files.write_atomic(path, "newer")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path], "nothing half written is left"
    message = str(caught.value)
    assert str(path) in message
    assert "No space left" in message
    assert "5 bytes are needed" in message
    assert caught.value.exit_code == 5


def test_sha256_file_is_the_hash_of_the_bytes(tmp_path: Path):
    path = tmp_path / "weights"
    path.write_bytes(b"abc" * 100_000)
    assert files.sha256_file(path) == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_jsonl_round_trip(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    rows = [{"step": 1, "loss": 0.1}, {"text": "line\nbreak and 中文"}, {"half": "\ud83d"}]
    for row in rows:
        files.append_jsonl(path, row)
    assert files.read_jsonl(path) == rows
    assert files.read_jsonl(tmp_path / "absent.jsonl") == []


def test_a_torn_last_line_is_ignored_and_then_overwritten(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n{"step": 2, "lo')
    assert files.read_jsonl(path) == [{"step": 1}]
    files.append_jsonl(path, {"step": 2})
    assert path.read_bytes() == b'{"step": 1}\n{"step": 2}\n'


def test_a_torn_line_longer_than_one_block_is_cut_off(tmp_path: Path):
    path = tmp_path / "samples.jsonl"
    path.write_bytes(b"{}\n" + b"x" * 200_000)
    files.append_jsonl(path, {"step": 1})
    assert path.read_bytes() == b'{}\n{"step": 1}\n'


def test_damage_before_the_last_line_is_an_error_with_its_line(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\nnot json\n{"step": 3}\n')
    with pytest.raises(StorageError, match=r"metrics\.jsonl:2 "):
        files.read_jsonl(path)


def test_require_free_space_names_path_needed_and_free(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    files.require_free_space(tmp_path / "not" / "yet", 1000)
    with pytest.raises(StorageError) as caught:
        files.require_free_space(tmp_path / "not" / "yet", 2_500_000_000)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "not" / "yet"))
    assert "needs 2500000000 bytes (2.5 GB), but 1000 (1 kB) are free" in message


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2.5e6, "2.5 MB"), (3e12, "3000 GB")]
)
def test_human(count: float, text: str):
    assert files.human(count) == text


# Folders


KILLED = """
import os, signal, sys
from pathlib import Path
from truing.core.files import written_aside
with written_aside(Path(sys.argv[1]), maker="test") as folder:
    (folder / "half").write_bytes(b"x" * 1000)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_while_writing(target: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not target.exists()
    (leftover,) = target.parent.glob(f".{target.name}*")
    assert (leftover / "half").stat().st_size == 1000


def test_a_kill_leaves_no_target_and_the_next_writer_cleans_up(tmp_path: Path):
    killed_while_writing(tmp_path / "out")
    with written_aside(tmp_path / "out", maker="test") as folder:
        (folder / "whole").touch()
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_a_run_folder_opens_after_a_kill_while_something_was_written_in_it(tmp_path: Path):
    killed_while_writing(tmp_path / "run" / "model")
    with RunFolder.open(tmp_path / "run") as run, written_aside(run.path / "model", maker="test") as folder:
        (folder / "whole").touch()
    assert not list((tmp_path / "run").glob(".model*"))


def test_what_a_living_writer_has_aside_is_left_alone(tmp_path: Path):
    with written_aside(tmp_path / "out", maker="slow") as slow:
        (slow / "name").write_text("slow")
        with written_aside(tmp_path / "out", maker="fast") as fast:
            (fast / "name").write_text("fast")
        assert (tmp_path / "out/name").read_text() == "fast"
    assert (tmp_path / "out/name").read_text() == "slow"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_another_machine_writes_is_left_alone_for_a_day(tmp_path: Path):
    other = tmp_path / f".out{files.ASIDE}elsewhere-7-0000"
    other.mkdir()
    (other / "half").touch()
    with written_aside(tmp_path / "out", maker="test"):
        pass
    assert (other / "half").exists(), "its lock may not be seen from here"
    long_ago = time.time() - files.STALE - 60
    for path in (other / "half", other):
        os.utime(path, (long_ago, long_ago))
    files.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_writer_that_lost_the_race_keeps_what_won_where_it_is_whole(tmp_path: Path):
    def race(maker: str, damage: bool) -> str:
        with written_aside(tmp_path / "out", maker="same", keep_intact=True) as slow:
            (slow / "name").write_text("slow")
            with written_aside(tmp_path / "out", maker=maker) as fast:
                (fast / "name").write_text("fast")
            if damage:
                (tmp_path / "out/name").write_text("fist")
        return (tmp_path / "out/name").read_text()

    assert race("same", damage=False) == "fast"
    assert race("other", damage=False) == "slow"
    assert race("same", damage=True) == "slow"


def test_an_error_leaves_what_was_there(tmp_path: Path):
    def write(error: Exception | None) -> None:
        with written_aside(tmp_path / "out", maker="test") as folder:
            (folder / "name").write_text("new" if error else "old")
            if error:
                raise error

    write(None)
    with pytest.raises(KeyError):
        write(KeyError())
    assert (tmp_path / "out/name").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_everything_is_on_disk_before_the_folder_gets_its_name(tmp_path: Path, monkeypatch):
    synced: list[tuple[int, bool]] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_ino, (tmp_path / "out").exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    with written_aside(tmp_path / "out", maker="test") as folder:
        (folder / "deep").mkdir()
        (folder / "deep/name").write_text("one")
    inside = {path.stat().st_ino for path in (tmp_path / "out", *(tmp_path / "out").rglob("*"))}
    assert len(inside) == 4
    assert {inode for inode, named in synced if not named} == inside
    assert synced[-1] == (tmp_path.stat().st_ino, True), "and its name after that"


def test_problems_names_every_difference(tmp_path: Path):
    with written_aside(tmp_path / "out", maker="test") as folder:
        (folder / "deep").mkdir()
        for name in ("a", "b", "deep/c"):
            (folder / name).write_text("one")
    assert problems(tmp_path / "out", maker="test", hashes=True) == []
    (tmp_path / "out/a").unlink()
    (tmp_path / "out/b").write_text("four")
    (tmp_path / "out/deep/c").write_text("two")
    assert problems(tmp_path / "out", maker="test") == ["a is missing", "b has 4 bytes instead of 3"]
    assert problems(tmp_path / "out", maker="test", hashes=True)[2:] == [
        "deep/c has another content than was written"
    ]
    assert problems(tmp_path / "out", maker="other") == ["manifest.json of other is missing or unreadable"]


def test_the_seal_is_told_of_every_file_and_written_beside_them(tmp_path: Path):
    with files.sealed_aside(tmp_path / "out", json.dumps) as folder:
        (folder / "name").write_bytes(b"abc")
    entry = {"size": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}
    assert json.loads((tmp_path / "out/manifest.json").read_text()) == {"name": entry}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device; 7 bytes are needed"),
        (OSError("only half was written"), "only half was written; 7 bytes are needed"),
        (SafetensorError("No space left on device (os error 28)"), r"\(os error 28\); 7 bytes are needed"),
        (Exception("File too large (os error 27)"), r"\(os error 27\); 7 bytes are needed"),
    ],
)
def test_what_the_disk_says_is_a_storage_error_with_the_path(tmp_path: Path, error: Exception, words: str):
    with pytest.raises(StorageError, match=words) as caught, files.disk_errors_explained(tmp_path / "out", 7):
        raise error
    assert str(caught.value).startswith(f"{tmp_path / 'out'} cannot be written: ")
    with pytest.raises(Exception, match=r"^ours$"), files.disk_errors_explained(tmp_path / "out"):
        raise Exception("ours")
    uncounted = r": [^;]*; \d+ bytes are free$"
    with pytest.raises(StorageError, match=uncounted), files.disk_errors_explained(tmp_path / "out"):
        raise error
