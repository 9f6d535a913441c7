import errno
import hashlib
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from truing.core import files
from truing.core.errors import StorageError


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
