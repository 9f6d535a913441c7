"""Doubt by hand, its order in the store, and what is left alone."""

import math

import pytest
from tests.pipelines.votes.conftest import pair, vote_all

from truing.core.errors import DataError
from truing.core.records import Message
from truing.pipelines.votes.priorities import doubt_of, item_doubts, open_items, prioritise
from truing.rewards.model import model_reward
from truing.rewards.types import Failed, ScoredItem
from truing.store.answers import PairAnswer
from truing.store.items import Candidate, NewItem


def by_number(items):
    """Score a response by the number that it ends with; a text without one fails."""
    return [
        ScoredItem(float(item.response.split()[-1])) if item.response[-1].isdigit() else Failed("no number")
        for item in items
    ]


def test_doubt_is_how_near_the_chance_lies_to_a_half():
    assert doubt_of([2.0, 2.0]) == 1
    for gap in (0.3, -4.0):
        chance = 1 / (1 + math.exp(-gap))
        assert doubt_of([1.0 + gap, 1.0]) == pytest.approx(1 - 2 * abs(chance - 0.5))
    assert doubt_of([0.0, 0.0, 50.0]) == pytest.approx(1 / 3)
    with pytest.raises(DataError, match="one response has no order"):
        doubt_of([1.0])


def test_items_that_lack_votes_come_in_the_order_of_doubt(make_store):
    gaps = [3, 0, 2, 1]
    items = [pair(f"q{gap}", ("a 0", f"b {gap}")) for gap in gaps]
    store = make_store([*items, pair("odd", ("a 0", "no number"))])
    doubts = prioritise(store, by_number)
    numbers = {item.prompt[0].content: item.id for item in store.items()}
    assert [one.item for one in doubts.found] == [numbers[f"q{gap}"] for gap in range(4)]
    assert doubts.failed == ((numbers["odd"], "no number"),)
    assert "1 could not be scored, such as item" in str(doubts.line())
    seen = vote_all(store, "ann", lambda shown: PairAnswer("first"))
    assert seen[:4] == [numbers[f"q{gap}"] for gap in range(4)]


def test_what_has_its_votes_is_settled_or_compares_nothing_keeps_its_place(make_store):
    other = NewItem((Message("user", "rate"),), (Candidate("a 0"), Candidate("b 1")), "safety")
    store = make_store(
        [pair("q1", ("a 0", "b 1")), pair("q2", ("a 0", "b 2")), other], kinds=("pair", "safety")
    )
    assert len(open_items(store)) == 2
    (first,) = vote_all(store, "ann", lambda shown: PairAnswer("first"), most=1)
    assert first not in {item.id for item in open_items(store)}


def test_a_reward_model_scores_what_people_see(make_store, reward_folder):
    store = make_store([pair("Why?", ("Because.", "Because it is so.")), pair("How?", ("So.", "So."))])
    seen = []
    reward = model_reward(None, lambda line: None, path=str(reward_folder), template="chat", device="cpu")
    doubts = item_doubts(open_items(store), reward, seen.append)
    assert sum(seen) == 2
    equal, unlike = doubts.found
    assert equal.doubt == pytest.approx(1, abs=1e-6)  # the same text twice
    assert 0 < unlike.doubt < 1
