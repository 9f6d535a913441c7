"""Responses in no order: read where people vote on them, and refused where an order would be an opinion."""

import json
from pathlib import Path

import pytest

from truing.core.errors import DataError, UsageError
from truing.core.records import user
from truing.data.load import load_records
from truing.data.unranked import find_with_unranked

LISTS = [{"prompt": "q", "responses": ["b", "a", "c"]}, {"question": "r", "responses": ["d", "e"]}]


def write(path: Path, *rows: object) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("named", [None, "unranked"])
def test_lists_without_an_order_are_read_to_be_voted_on(tmp_path: Path, named: str | None):
    loaded = load_records(write(tmp_path / "rows.jsonl", *LISTS), unranked=True, format=named)
    assert [record.prompt for record in loaded.records] == [user("q"), user("r")]
    assert [[each.text for each in record.responses] for record in loaded.records] == [
        ["b", "a", "c"],
        ["d", "e"],
    ]
    assert loaded.sources[0].format == "unranked"


def test_lists_with_ranks_are_ranked_also_there(tmp_path: Path):
    row = {"prompt": "q", "responses": ["b", "a"], "ranks": [2, 1]}
    loaded = load_records(write(tmp_path / "rows.jsonl", row), unranked=True)
    assert [each.text for each in loaded.records[0].responses] == ["a", "b"]


def test_elsewhere_they_are_refused(tmp_path: Path):
    rows = write(tmp_path / "rows.jsonl", LISTS[0])
    with pytest.raises(DataError, match="ranks"):
        load_records(rows)
    with pytest.raises(UsageError, match="unranked"):
        load_records(rows, format="unranked")


def test_an_empty_list_is_set_aside_with_its_reason(tmp_path: Path):
    rows = write(tmp_path / "rows.jsonl", *LISTS, {"prompt": "q", "responses": []})
    loaded = load_records(rows, unranked=True, bad_rows="skip")
    assert loaded.sources[0].set_aside == {"no-responses": 1}
    assert find_with_unranked("preference").name == "preference"
