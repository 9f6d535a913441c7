"""Prompts come from rows of any kind, once each, and know their file and row."""

import json
from pathlib import Path

import pytest

from truing.core.errors import DataError
from truing.core.files import sha256_file
from truing.synthesis.prompts import read_prompts, turns


def rows_in(path: Path, *rows: dict[str, object]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_prompts_know_where_they_come_from(tmp_path: Path):
    file = rows_in(tmp_path / "p.jsonl", {"prompt": "One?"}, {"prompt": "Two?"}, {"prompt": "One?"})
    said: list[str] = []
    found = read_prompts([file], said.append)
    assert [turns(one)[0]["content"] for one in found.records] == ["One?", "Two?"]
    assert any("1 rows repeat" in line for line in said)
    digest = sha256_file(tmp_path / "p.jsonl")
    assert found.origin(found.records[1]) == {"file": "p.jsonl", "row": 2, "sha256": digest}
    assert found.inputs == {file: digest}


def test_a_limit_keeps_the_first(tmp_path: Path):
    file = rows_in(tmp_path / "p.jsonl", *({"prompt": f"{n}?"} for n in range(5)))
    assert len(read_prompts([file], lambda line: None, limit=2).records) == 2


def test_no_prompt_is_an_error(tmp_path: Path):
    file = rows_in(tmp_path / "p.jsonl", {"text": "only words"})
    with pytest.raises(DataError):
        read_prompts([file], lambda line: None)
