"""Rows from a page become items, all of them or none."""

import json

import pytest

from truing.core.errors import DataError
from truing.store.items import ItemPurpose
from truing.web.annotate.added import add_rows

from .projects import pairs

ROWS = [{"prompt": f"q{n}", "chosen": f"yes {n}", "rejected": f"no {n}"} for n in range(3)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


def test_rows_are_added_once(project):
    store = project(pairs(1))
    added = add_rows(store, "C:\\rows\\More Rows.JSONL", LINES, "pair", ItemPurpose.REAL)
    assert (added.new, added.known) == (3, 0)
    assert add_rows(store, "more.jsonl", LINES, None, ItemPurpose.REAL).known == 3
    assert add_rows(store, "known.jsonl", LINES.replace("yes", "aye"), "pair", ItemPurpose.GOLD).new == 3
    assert store.count_items()[ItemPurpose.GOLD] == 3


def test_responses_in_no_order_are_voted_on_and_know_no_answer(project):
    store = project(pairs(1))
    lists = json.dumps({"prompt": "q", "responses": ["a", "b"]}) + "\n"
    assert add_rows(store, "lists.jsonl", lists, "pair", ItemPurpose.REAL).new == 1
    with pytest.raises(DataError, match="ranks"):
        add_rows(store, "lists.jsonl", lists, "pair", ItemPurpose.GOLD)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("../../rows.py", LINES),
        ("rows.jsonl", LINES + "{"),
        ("rows.jsonl", LINES + '{"prompt": "no response"}\n'),
        ("rows.jsonl", ""),
    ],
)
def test_what_is_no_rows_adds_none(project, name, text):
    store = project(pairs(1))
    with pytest.raises(DataError):
        add_rows(store, name, text, "pair", ItemPurpose.REAL)
    assert store.count_items()[ItemPurpose.REAL] == 1
