"""Strengths of models: the counts, what both-bad may not change, and the coverage over people."""

import math

import numpy as np
import pytest

from truing.core.errors import DataError
from truing.stats.bradley_terry import Compared, fit_strengths
from truing.stats.model_strengths import PairVote, model_strengths


def votes_of(*told):
    return [PairVote(*one) for one in told]


TWO_PEOPLE = votes_of(
    ("a", "b", "first", "ann"),
    ("b", "a", "second", "bob"),
    ("a", "b", "tie", "ann"),
    ("b", "a", "first", "bob"),
    ("a", "b", "both_bad", "bob"),
    ("b", "a", "both_bad", "ann"),
)


def test_every_vote_is_counted_once_on_either_model():
    found = model_strengths(TWO_PEOPLE)
    assert (found.votes, found.bad, found.people) == (6, 2, 2)
    assert [one.model for one in found.models] == ["a", "b"]
    a, b = found.models
    assert (a.wins, a.ties, a.losses, a.bad, a.votes) == (2, 1, 1, 2, 6)
    assert (b.wins, b.ties, b.losses, b.bad) == (1, 1, 2, 2)
    assert a.bad_rate.estimate == b.bad_rate.estimate == pytest.approx(1 / 3)


def test_strengths_are_those_of_the_fit_without_both_bad():
    """Both bad is no tie: strengths are those of the four other votes."""
    a, b = model_strengths(TWO_PEOPLE).models
    fit = fit_strengths([Compared(0, 1, 1.0, 2), Compared(0, 1, 0.0), Compared(0, 1, 0.5)], 2)
    assert a.strength.estimate == pytest.approx(float(fit.strengths[0]))
    assert b.strength.estimate == pytest.approx(-a.strength.estimate)
    assert a.strength.n == 4


def simulated(rng, people, votes_each, spread, strengths=(0.8, 0.0, -0.8), tau=-0.5):
    """People differ: each adds an own leaning, of deviation `spread`, to each model's strength."""
    own = np.array(strengths) + rng.normal(0, spread, (people, len(strengths)))
    person = np.repeat(np.arange(people), votes_each)
    i = rng.integers(3, size=len(person))
    j = (i + rng.integers(1, 3, size=len(person))) % 3
    half = (own[person, i] - own[person, j]) / 2
    powers = np.exp(np.stack([half, np.full_like(half, tau), -half], 1)).cumsum(1)
    drawn = (rng.random(len(person)) * powers[:, -1] > powers.T[:-1]).sum(0)
    return [
        PairVote("xyz"[a], "xyz"[b], ("first", "tie", "second")[end], who)
        for a, b, end, who in zip(i, j, drawn, person.tolist(), strict=True)
    ]


def strength_of_x(votes):
    return next(one for one in model_strengths(votes).models if one.model == "x").strength


def test_the_interval_covers_over_people_who_differ():
    """The true strength is that of very many people, each of whom leans their own way."""
    rng = np.random.default_rng(0)
    true = strength_of_x(simulated(rng, 4000, 20, 0.8)).estimate
    found = [strength_of_x(simulated(rng, 20, 20, 0.8)) for _ in range(300)]
    covered = sum(one.low <= true <= one.high for one in found) / len(found)
    assert 0.92 < covered < 0.985
    assert np.std([one.estimate for one in found]) * 2 * 2.09 == pytest.approx(
        np.mean([one.high - one.low for one in found]), rel=0.15
    )


def test_a_person_who_votes_twenty_times_as_much_does_not_count_as_twenty():
    votes = simulated(np.random.default_rng(1), 6, 30, 1.0)
    once, often = strength_of_x(votes), strength_of_x(votes * 20)
    assert often.high - often.low > 0.9 * (once.high - once.low)


def test_intervals_are_never_narrower_than_those_of_independent_votes():
    """Two people who vote alike have no spread; the votes still are few."""
    votes = votes_of(*[("a", "b", side, who) for who in "xy" for side in ("first", "first", "second")])
    strength = model_strengths(votes).models[0].strength
    fit = fit_strengths([Compared(0, 1, 1.0, 4), Compared(0, 1, 0.0, 2)], 2)
    of_difference = fit.covariance[0, 0] + fit.covariance[1, 1] - 2 * fit.covariance[0, 1]
    assert strength.high - strength.estimate > 1.96 * math.sqrt(of_difference) / 2


def test_one_person_and_only_bad_responses_leave_it_undefined_and_say_why():
    found = model_strengths(votes_of(("a", "b", "first", "ann"), ("a", "c", "both_bad", "ann")))
    told = {one.model: str(one.undefined) for one in found.models}
    assert all(one.strength is None for one in found.models)
    assert "one person voted" in told["a"]
    assert "every vote on c found both responses bad" in told["c"]


def test_groups_of_models_that_no_vote_joins_are_named():
    apart = votes_of(*[(one, two, "first", who) for who in "xy" for one, two in ("ab", "cd")])
    assert any("a, b; c, d" in str(note) for note in model_strengths(apart).notes)
    notes = model_strengths([*apart, *votes_of(("b", "c", "tie", "x"))]).notes
    assert [str(note) for note in notes] == ["only 2 people voted: intervals over people are rough below 10"]


@pytest.mark.parametrize(
    ("vote", "said"),
    [
        (("a", "b", "left", "ann"), "vote 'left' on a against b"),
        (("a", "a", "first", "ann"), "on a against a"),
    ],
)
def test_a_vote_that_says_nothing_known_is_an_error(vote, said):
    with pytest.raises(DataError, match=said):
        model_strengths(votes_of(vote))
    with pytest.raises(DataError, match="there is no vote"):
        model_strengths([])
