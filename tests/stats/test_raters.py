"""The numbers of one person, each from votes that were made to show it, and the rate of false flags."""

import numpy as np
import pytest

from truing.core.errors import DataError
from truing.stats.raters import RaterVote, rater_reports


def report_of(votes, person="ann"):
    return next(one for one in rater_reports(votes) if one.person == person)


def test_median_seconds_and_nothing_where_nothing_was_measured():
    found = report_of([RaterVote("ann", i, "first", seconds=s) for i, s in enumerate([2.0, 9.0, 4.0])])
    assert (found.votes, found.seconds) == (3, 4.0)
    assert found.position is found.position_p is found.gold is found.self_agreement is found.others is None
    assert found.flags == ()


def test_who_prefers_the_first_response_is_flagged_whatever_the_responses_are():
    """40 of 50: p = 2 · P[Bin(50, ½) ≥ 40] = 2.386e-5."""
    found = report_of([RaterVote("ann", i, "x", shown_first=i < 40) for i in range(50)])
    assert found.position.estimate == 0.8
    assert found.position_p == pytest.approx(2.386e-5, rel=1e-3)
    assert [str(flag) for flag in found.flags] == [
        "the response shown first was chosen in 80% of 50 choices, half were expected"
    ]
    even = report_of([RaterVote("ann", i, "x", shown_first=i % 2 == 0) for i in range(50)])
    assert even.flags == ()


def test_fair_people_are_seldom_flagged_for_position():
    rng = np.random.default_rng(0)
    flagged = 0
    for _ in range(30):
        fair = rng.random((10, 40)) < 0.5
        votes = [RaterVote(p, i, "x", shown_first=bool(fair[p, i])) for p in range(10) for i in range(40)]
        flagged += any(one.flags for one in rater_reports(votes))
    assert flagged <= 2


def test_gold_and_second_looks():
    votes = [RaterVote("ann", i, "first", right=i < 4, same=i < 3) for i in range(20)]
    found = report_of(votes)
    assert (found.gold.estimate, found.gold.n) == (0.2, 20)
    assert (found.self_agreement.estimate, found.self_agreement.n) == (0.15, 20)
    assert [str(flag).split(" on ")[1] for flag in found.flags] == ["20% of 20 gold items", "15% of 20 items"]
    two = report_of([RaterVote("ann", i, "first", right=False) for i in range(1)])
    assert two.flags == ()  # one miss may be chance


def test_agreement_with_the_others_leaves_out_the_own_vote_and_their_ties():
    votes = [
        *[RaterVote(p, "a", answer) for p, answer in zip("xyz", ("first", "first", "tie"), strict=True)],
        *[RaterVote(p, "b", answer) for p, answer in zip("xyz", ("first", "tie", "second"), strict=True)],
        RaterVote("x", "c", "first"),
    ]
    shares = {one.person: one.others for one in rater_reports(votes)}
    # x at a: the others say first and tie, no answer leads; z at a: both say first.
    assert shares["x"] is None
    assert (shares["z"].estimate, shares["z"].n) == (0.0, 1)


def test_a_person_much_faster_than_the_others_is_flagged():
    votes = [RaterVote(p, i, "x", seconds=s) for p, s in (("ann", 1.0), ("bob", 8.0)) for i in range(12)]
    assert "under 1.0 s; the others took 8.0 s" in str(report_of(votes).flags[0])
    assert report_of(votes, "bob").flags == ()
    assert report_of([vote for vote in votes if vote.item < 9]).flags == ()


def test_a_time_below_zero_is_an_error():
    with pytest.raises(DataError, match="took -1 seconds"):
        RaterVote("ann", "a", "x", seconds=-1)
