"""Pairs by hand, the laws of a tournament, and the price of choosing pairs by their uncertainty."""

import time

import numpy as np
import pytest

from truing.core.errors import DataError
from truing.stats.bradley_terry import Compared, fit_strengths
from truing.stats.pairing import all_pairs_of, least_certain, swiss_round


def test_all_pairs_by_hand():
    assert all_pairs_of(3) == [(0, 1), (0, 2), (1, 2)]
    assert all_pairs_of(1) == all_pairs_of(0) == []


def test_swiss_rounds_by_hand():
    assert swiss_round([0, 0, 0, 0]) == [(0, 1), (2, 3)]
    # 0 and 2 won: the winners meet, then the losers.
    assert swiss_round([1, 0, 1, 0], [(0, 1), (2, 3)]) == [(0, 2), (1, 3)]
    # 3 leads and has met 2, the next; 3-1 and 2-0 cost 2 + 2, 3-0 and 2-1 cost 3 + 1: the nearer first.
    assert swiss_round([0, 1, 2, 3], [(2, 3), (0, 1)]) == [(1, 3), (0, 2)]


def test_the_last_of_an_odd_number_sits_out():
    assert swiss_round([3, 2, 1, 0.9, 0]) == [(0, 1), (2, 3)]


def test_a_round_gives_up_near_opponents_before_it_leaves_anyone_out():
    """1 and 2 are nearest, but 0 and 3 have met: 0-1 and 2-3 leave nobody out."""
    assert swiss_round([9, 5, 5, 1], [(0, 3)]) == [(0, 1), (2, 3)]


@pytest.mark.parametrize("n", [2, 4, 5, 6, 8])
def test_rounds_go_on_until_every_pair_has_met_once(n):
    rng = np.random.default_rng(n)
    met = []
    while pairs := swiss_round(rng.normal(size=n).tolist(), met):
        assert len({place for pair in pairs for place in pair}) == 2 * len(pairs)
        met += pairs
    assert sorted(met) == all_pairs_of(n)


def test_a_round_of_many_responses_is_quick():
    start = time.monotonic()
    pairs = swiss_round(np.random.default_rng(0).normal(size=40).tolist(), all_pairs_of(6))
    assert len(pairs) == 20
    assert time.monotonic() - start < 10


def test_the_least_certain_pair_is_the_one_never_compared_among_equals():
    fitted = fit_strengths([Compared(0, 1, o) for o in (1, 0, 1, 0)] + [Compared(2, 3, 0.5)] * 4, 4)
    assert least_certain(fitted)[0] in {(0, 2), (0, 3), (1, 2), (1, 3)}
    assert least_certain(fitted, 2, among=[(2, 3), (0, 2), (0, 1)])[0] == (0, 2)


def test_a_clear_leader_is_not_asked_about_again():
    beaten = [Compared(0, other, 1, 8) for other in (1, 2, 3)]
    assert all(0 not in pair for pair in least_certain(fit_strengths(beaten, 4), 3))


def test_equal_uncertainty_keeps_the_order():
    assert least_certain(fit_strengths([], 3), 9) == all_pairs_of(3)
    with pytest.raises(DataError, match="0 pairs"):
        least_certain(fit_strengths([], 3), 0)


def test_chosen_pairs_leave_less_uncertain_than_pairs_at_random():
    """7 of the 15 pairs of six responses, 20 times: the errors that are left, over all pairs."""
    rng = np.random.default_rng(0)
    left_uncertain = []
    for _ in range(20):
        planted = rng.normal(scale=1.5, size=6)

        def asked(pair, planted=planted):
            chance = 1 / (1 + np.exp(planted[pair[1]] - planted[pair[0]]))
            return Compared(*pair, float(rng.random() < chance))

        chosen, left = [], all_pairs_of(6)
        for _ in range(7):
            pair = least_certain(fit_strengths(chosen, 6), among=left)[0]
            left.remove(pair)
            chosen.append(asked(pair))
        drawn = [asked(all_pairs_of(6)[i]) for i in rng.permutation(15)[:7]]
        fits = [fit_strengths(comparisons, 6) for comparisons in (chosen, drawn)]
        left_uncertain.append(
            [np.mean([fit.outcome(*pair).preference_error for pair in all_pairs_of(6)]) for fit in fits]
        )
    by_choice, at_random = np.array(left_uncertain).T
    assert by_choice.mean() < at_random.mean() - 2 * (by_choice - at_random).std() / 20**0.5
