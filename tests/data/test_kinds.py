"""Files of other kinds are named by their first bytes, with the command that converts them."""

import ast
import shlex
from pathlib import Path

import pytest

from truing.core.errors import DataError
from truing.data.kinds import OTHERS, parts_of, refuse_folder, refuse_others


def test_every_kind_is_told_with_a_command_that_names_the_file(tmp_path: Path):
    path = tmp_path / "its own.bin"
    for start in OTHERS:
        with pytest.raises(DataError, match=r"is (an|a|packed)") as caught:
            refuse_others(path, start + b"rest")
        command = shlex.split(caught.value.hint)
        if command[0] == "python":
            ast.parse(command[2])
        else:
            assert str(path) in command
    refuse_others(path, b'{"prompt": "a"}')


def test_a_folder_is_told_with_what_to_give(tmp_path: Path):
    with pytest.raises(DataError, match="is a folder") as caught:
        refuse_folder(tmp_path)
    assert f"{tmp_path}/*.jsonl" in caught.value.hint
    for name in ("state.json", "dataset_info.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(DataError, match="save_to_disk") as caught:
        refuse_folder(tmp_path)
    ast.parse(shlex.split(caught.value.hint)[2])


def test_parts_of_a_folder_are_in_order_without_checksums_and_empty_ones(tmp_path: Path):
    for name, text in (
        ("part-01", "b"),
        ("part-00", "a"),
        ("part-02", ""),
        ("part-00.crc", "x"),
        ("_OK", "x"),
    ):
        (tmp_path / name).write_text(text)
    assert [path.name for path in parts_of(tmp_path)] == ["part-00", "part-01"]
