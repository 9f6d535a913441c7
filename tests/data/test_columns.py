"""Columns that the chat template is given, and a row that knows what was asked of it."""

import json

import pytest

from truing.data.columns import Watched, given_of
from truing.data.rows import RowError


def test_a_watched_row_names_what_nobody_asked_for():
    row = Watched({"prompt": "a", "note": "b", "empty": "", "id": 0})
    assert row["prompt"] == "a" and row.get("absent") is None
    assert list(row.unread()) == ["note", "id"]


def test_tools_and_arguments_are_handed_to_the_template():
    row = {"tools": '[{"name": "f"}]', "chat_template_kwargs": {"enable_thinking": False}, "prompt": "a"}
    assert json.loads(given_of(row)) == {"enable_thinking": False, "tools": [{"name": "f"}]}
    assert given_of({"prompt": "a", "tools": None}) == ""


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"chat_template_kwargs": {"tokenize": True}}, "unread-chat-template-kwargs"),
        ({"chat_template_kwargs": [1]}, "unread-chat-template-kwargs"),
        ({"loss_mask": [0, 1]}, "unread-loss-mask"),
        ({"images": ["a.png"]}, "not-text"),
        ({"tools": "{broken"}, "unread-tools"),
    ],
)
def test_what_changes_a_row_and_cannot_be_obeyed_sets_it_aside(row: dict, code: str):
    with pytest.raises(RowError) as caught:
        given_of(row)
    assert caught.value.code == code
