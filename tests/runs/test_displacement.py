"""Pairs that lose likelihood: how alike they are, in words, and the term that holds them."""

import pytest

from truing.data.trees import Branch, Tree
from truing.models.scoring import Scorer
from truing.objectives.offline import PairObjective
from truing.runs.displacement import Driver, can_hold, drivers, hold, likeness, told


def tree(chosen: list[int], rejected: list[int]) -> Tree:
    return Tree([1], tuple(Branch(ids, [True] * len(ids)) for ids in (chosen, rejected)))


def test_likeness_is_the_share_of_common_tokens_in_order():
    """2 x 2 common of 3 + 3."""
    assert likeness(tree([5, 6, 7], [5, 6, 8])) == pytest.approx(2 / 3)
    assert likeness(tree([5], [6])) == 0 and likeness(tree([5, 6], [5, 6])) == 1


def test_the_worst_pairs_are_named():
    found = [Driver(f"a.jsonl:{n}", -40.0 + n, 0.5 + n / 10) for n in range(5)]
    words = "".join(part.message() for part in told(found))
    assert words == (
        "; most of all a.jsonl:0 (-40 nats, 50% alike), a.jsonl:1 (-39 nats, 60% alike), "
        "a.jsonl:2 (-38 nats, 70% alike); the responses of such pairs are 70% alike"
    )
    assert told([]) == []


def test_the_likelihood_term_is_switched_on_once(tiny, pairs, session_of):
    session = session_of(Scorer(tiny(), layout="padded"), pairs, "simpo")
    assert can_hold(session) and drivers(session, 1) == [], "without a reference nothing is compared"
    hold(session)
    assert isinstance(session.objective, PairObjective) and session.objective.sft_weight == 1.0
    assert not can_hold(session)
    assert not can_hold(session_of(Scorer(tiny(), layout="padded"), pairs, "sft"))
