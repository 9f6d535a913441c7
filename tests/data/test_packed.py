"""Packed files are read in bounded memory: what a line or a file unpacks to is not held."""

import gzip
import io
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from truing.core.errors import DataError
from truing.data import packed
from truing.data.packed import lines_of, open_zstd, read_whole
from truing.data.read import read_rows

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_DATA, (600 << 20, 600 << 20))
from truing.core.errors import DataError
from truing.data.read import read_rows
try:
    print(sum(1 for row in read_rows(sys.argv[1])))
except DataError as error:
    print(error.message)
"""
LINE = 1_500_000_000  # bytes


@pytest.mark.parametrize("packing", [gzip, zstandard])
def test_one_packed_line_of_a_gigabyte_and_a_half_is_refused_in_600_mb(tmp_path: Path, packing):
    path = tmp_path / "a.jsonl"
    middle = packing.compress(b"a" * (1 << 20)) * (LINE >> 20)  # members of one file
    path.write_bytes(packing.compress(b'{"prompt": "') + middle + packing.compress(b'"}\n'))
    assert path.stat().st_size < 10_000_000
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=False
    )
    assert "a.jsonl:1: a line of more than 67,108,864 bytes" in ran.stdout, ran.stderr


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_a_line_too_long_is_named_and_lines_before_it_are_read(tmp_path: Path, monkeypatch, suffix: str):
    monkeypatch.setattr(packed, "LONGEST", 40)
    first = b'{"a": 1}\n' if suffix == "jsonl" else b"a,b\n1,2\n"
    (tmp_path / f"a.{suffix}").write_bytes(first + b"x" * 41 + b"\n")
    rows = read_rows(tmp_path / f"a.{suffix}")
    assert next(rows).value is not None
    with pytest.raises(DataError, match=rf"a.{suffix}:[23]: a line of more than 40 bytes"):
        next(rows)


def test_lines_are_those_of_the_file():
    text = b"a\n\r\n \nlast"
    assert list(lines_of("a", io.BytesIO(text))) == list(io.BytesIO(text)) != []


def test_packed_files_that_are_read_whole_have_a_bound_and_others_have_none(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(packed, "WHOLE", 10)
    rows = b'[{"a": 1}, {"a": 2}]'
    (tmp_path / "a.json").write_bytes(rows)
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(rows))
    (tmp_path / "a.json.zst").write_bytes(zstandard.compress(rows))
    assert [row.value for row in read_rows(tmp_path / "a.json")] == [{"a": 1}, {"a": 2}]
    for name in ("a.json.gz", "a.json.zst"):
        with pytest.raises(DataError, match=f"{name} unpacks to more than 10 bytes"):
            list(read_rows(tmp_path / name))
    assert read_whole("a", io.BytesIO(rows)) == rows


def test_a_zstd_file_goes_back_to_its_beginning_alone(tmp_path: Path):
    data = bytes(range(256)) * 9000
    frames = [zstandard.compress(data[:3]), zstandard.compress(b""), zstandard.compress(data[3:])]
    (tmp_path / "a.zst").write_bytes(b"".join(frames))
    with open_zstd(tmp_path / "a.zst") as file:
        assert file.read(100_000) == data[:100_000]
        file.seek(0)
        assert file.read() == data
        with pytest.raises(OSError, match="from its beginning"):
            file.seek(5)
