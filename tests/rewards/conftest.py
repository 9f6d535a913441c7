"""Items to score."""

from collections.abc import Callable
from typing import Any

import pytest

from truing.core.records import user
from truing.rewards.types import Item

MakeItem = Callable[..., Item]


@pytest.fixture(scope="session")
def item_of() -> MakeItem:
    """Makes an item of a response; further fields by name."""

    def make(response: str, **fields: Any) -> Item:
        return Item(**{"prompt": user("Why?"), "response": response, **fields})

    return make


@pytest.fixture(scope="session")
def batch(item_of: MakeItem) -> list[Item]:
    """Four responses of two rows, with what rows say besides."""
    return [
        item_of("one", reference="1", category="count", columns={"level": 1}, place="rows.jsonl:1"),
        item_of("two", reference="1", category="count", columns={"level": 1}, place="rows.jsonl:1"),
        item_of("three", reference="3", columns={"level": 2, "tag": "odd"}, place="rows.jsonl:2"),
        item_of("four", reference="3", columns={"level": 2, "tag": "odd"}, place="rows.jsonl:2"),
    ]
