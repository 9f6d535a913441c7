"""A score is a finite number; anything else is a failure with a reason."""

import math

import pytest

from truing.core.records import user
from truing.rewards.types import Item, NotMine, ScoredItem, place_of


def test_a_score_is_finite():
    assert ScoredItem(0.5).value == 0.5
    for wrong in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match="is no score"):
            ScoredItem(wrong)


def test_an_item_is_named_by_its_place():
    assert place_of(Item(user("a"), "b"), 3) == "item 3"
    assert place_of(Item(user("a"), "b", place="a.jsonl:7"), 3) == "item 3 (a.jsonl:7)"
    assert NotMine().reason
