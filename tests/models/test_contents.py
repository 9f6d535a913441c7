"""Hashes of a model's files: what changes them, what does not, and that a large file is read once."""

import json
import os
import shutil
from pathlib import Path

import pytest

from truing.models import contents
from truing.models.contents import contents_of, file_hash


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRUING_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hashes"


def swapped(path: Path, old: bytes, new: bytes) -> None:
    """Puts other bytes of the same length into a file, and its old time of change back: `cp -p`."""
    assert len(old) == len(new)
    stat = path.stat()
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("weights", lambda f: swapped(f / "model.safetensors", b"F32", b"F16")),
        ("config", lambda f: swapped(f / "config.json", b'"rms_norm_eps": 1e-06', b'"rms_norm_eps": 2e-06')),
        ("tokenizer", lambda f: (f / "chat_template.jinja").write_text("another")),
        ("tokenizer", lambda f: swapped(f / "tokenizer.json", b"im_start", b"im_begin")),
        ("config", lambda f: (f / "generation_config.json").write_text('{"eos_token_id": 7}')),
    ],
    ids=["weights", "config", "template", "tokenizer", "ends"],
)
def test_each_part_notices_a_change_of_its_own_files_alone(model_folder, tmp_path, part, change):
    folder = Path(shutil.copytree(model_folder, tmp_path / "model"))
    before = contents_of(folder)
    assert contents_of(folder) == before
    change(folder)
    after = contents_of(folder)
    assert {name for name in before if before[name] != after[name]} == {part}


def test_who_wrote_a_config_and_what_is_no_part_of_the_model_do_not_count(model_folder, tmp_path):
    folder = Path(shutil.copytree(model_folder, tmp_path / "model"))
    before = contents_of(folder)
    config = json.loads((folder / "config.json").read_bytes())
    (folder / "config.json").write_text(json.dumps(config | {"transformers_version": "0.1"}, indent=7))
    (folder / "README.md").write_text("mine")
    (folder / "manifest.json").write_text("{}")
    assert contents_of(folder) == before


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is large enough to be remembered, written long enough ago."""
    monkeypatch.setattr(contents, "LARGE", 4)
    monkeypatch.setattr(contents, "SETTLED", 0)
    path = tmp_path / "weights"
    path.write_bytes(b"12345678")
    return path


def test_a_large_file_is_read_once(large, cache, monkeypatch):
    first = file_hash(large)
    assert len(list(cache.iterdir())) == 1
    monkeypatch.setattr(contents, "sha256_file", lambda path: pytest.fail("read again"))
    assert file_hash(large) == first


@pytest.mark.parametrize("how", ["written over", "put in its place"])
def test_the_same_size_and_time_of_writing_do_not_hide_other_bytes(large, tmp_path, how):
    """`cp -p` and `rsync -a` leave such files: inode or time of change tell."""
    first, stat = file_hash(large), large.stat()
    other = large if how == "written over" else tmp_path / "other"
    other.write_bytes(b"87654321")
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.rename(large)
    assert (large.stat().st_size, large.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    assert file_hash(large) != first


def test_a_file_that_was_just_written_is_not_remembered(large, cache, monkeypatch):
    """A second write within the clock's tick would leave size and times as they are."""
    monkeypatch.setattr(contents, "SETTLED", 60 * 10**9)
    file_hash(large)
    assert not cache.exists()


@pytest.mark.parametrize("note", [b"", b"[]", b"{}", b'{"inode": 1}', b"\xff"])
def test_a_damaged_note_is_no_note(large, cache, note):
    first = file_hash(large)
    (path,) = cache.iterdir()
    path.write_bytes(note)
    assert file_hash(large) == first


def test_a_cache_that_cannot_be_written_costs_time_alone(large, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRUING_CACHE", str(tmp_path / "file"))
    assert file_hash(large) == file_hash(large)
