"""Reward losses and the measures of a reward model; each expected number is worked out here by hand."""

import itertools
import math
import random

import numpy as np
import pytest
import torch

from truing.losses.calibration import (
    accuracy,
    expected_calibration_error,
    margin_histogram,
    pearson,
    reliability,
    spearman,
)
from truing.losses.preference import Pair
from truing.losses.reward import all_pairs, binary_cross_entropy, bradley_terry, plackett_luce, squared_error


def row(*values: float) -> torch.Tensor:
    return torch.tensor(values)


def pair(chosen: float, rejected: float) -> Pair:
    return Pair(row(chosen), row(rejected))


def softplus(x: float) -> float:
    """-log sigmoid(-x)."""
    return math.log(1 + math.exp(x))


def test_bradley_terry():
    assert bradley_terry(pair(2.0, 0.5)).item() == pytest.approx(softplus(-1.5))


def test_bradley_terry_subtracts_the_margin_from_the_gap():
    assert bradley_terry(pair(2.0, 0.5), row(2.0)).item() == pytest.approx(softplus(0.5))


def test_bradley_terry_pulls_the_sum_of_a_pair_to_zero():
    # 0.01 * (2 + 0.5)^2 = 0.0625
    loss = bradley_terry(pair(2.0, 0.5), row(1.0), center=0.01)
    assert loss.item() == pytest.approx(softplus(-0.5) + 0.0625)


def test_bradley_terry_of_a_badly_wrong_pair_keeps_its_gradient():
    scores = pair(-50.0, 50.0)
    scores.chosen.requires_grad_()
    bradley_terry(scores).sum().backward()
    assert scores.chosen.grad.item() == pytest.approx(-1.0)


# Two prompts, their responses mixed: scores 1, 3, 2 best first, and -1, 0 best first.
SCORES, RANKS, GROUP = (
    row(3.0, 0.0, 2.0, -1.0, 1.0),
    torch.tensor([2, 8, 3, 7, 1]),
    torch.tensor([0, 1, 0, 1, 0]),
)


def test_plackett_luce():
    e = math.exp
    first = math.log(e(1) + e(3) + e(2)) - 1 + math.log(e(3) + e(2)) - 3
    second = math.log(e(-1) + e(0)) + 1
    assert plackett_luce(SCORES, RANKS, GROUP).tolist() == pytest.approx([first, second])


def test_plackett_luce_takes_equal_ranks_in_the_order_given():
    scores, group = row(1.0, 3.0, 2.0), torch.zeros(3, dtype=torch.long)
    as_given = plackett_luce(scores, torch.tensor([1, 2, 3]), group)
    assert plackett_luce(scores, torch.tensor([1, 1, 1]), group).item() == as_given.item()
    assert plackett_luce(scores, torch.tensor([3, 2, 1]), group).item() != pytest.approx(as_given.item())


def test_all_pairs():
    # Gaps better less worse: 1 - 3, 1 - 2, 3 - 2 of the first prompt, -1 - 0 of the second.
    first = (softplus(2) + softplus(1) + softplus(-1)) / 3
    assert all_pairs(SCORES, RANKS, GROUP).tolist() == pytest.approx([first, softplus(1)])


def test_all_pairs_leaves_ties_out_above_and_below_the_line():
    # Ranks 1, 1, 2 leave two of three pairs: 1 - 2 and 3 - 2.
    losses = all_pairs(row(1.0, 3.0, 2.0), torch.tensor([1, 1, 2]), torch.zeros(3, dtype=torch.long))
    assert losses.tolist() == pytest.approx([(softplus(1) + softplus(-1)) / 2])


def test_all_pairs_of_a_prompt_that_is_one_tie_is_zero():
    losses = all_pairs(row(1.0, 3.0, 0.0, 5.0), torch.tensor([1, 1, 1, 2]), torch.tensor([0, 0, 1, 1]))
    assert losses.tolist() == pytest.approx([0.0, softplus(5)])


def test_rankings_agree_with_a_loop_over_prompts():
    draw = random.Random(7)
    sizes = [1, 2, 3, 5, 8]
    rows = [(k, rank, draw.gauss(0, 2)) for k, size in enumerate(sizes) for rank in range(size)]
    draw.shuffle(rows)
    group, ranks, scores = (torch.tensor(column) for column in zip(*rows, strict=True))
    for k, luce, pairs in zip(
        range(5), plackett_luce(scores, ranks, group), all_pairs(scores, ranks, group), strict=True
    ):
        best_first = [score for where, _, score in sorted(rows) if where == k]
        gaps = [a - b for a, b in itertools.combinations(best_first, 2)]
        assert pairs.item() == pytest.approx(sum(softplus(-gap) for gap in gaps) / max(len(gaps), 1))
        chance = math.prod(
            math.exp(best_first[i]) / sum(math.exp(s) for s in best_first[i:]) for i in range(len(best_first))
        )
        assert luce.item() == pytest.approx(-math.log(chance), rel=1e-5, abs=1e-6)


def test_squared_error():
    assert squared_error(row(1.0, -2.0), row(3.5, -2.0)).tolist() == [6.25, 0.0]


def test_binary_cross_entropy():
    # -log sigmoid(2), -log(1 - sigmoid(2)) and three judges to one at probability 0.8.
    losses = binary_cross_entropy(row(2.0, 2.0, math.log(4)), row(1.0, 0.0, 0.75))
    mixed = -0.75 * math.log(0.8) - 0.25 * math.log(0.2)
    assert losses.tolist() == pytest.approx([softplus(-2), softplus(2), mixed])


def test_accuracy_counts_a_tie_as_one_half():
    assert accuracy(np.array([2.0, 0.1, 0.0, -1.0])) == 0.625
    assert accuracy(np.zeros(3)) == 0.5


def test_expected_calibration_error():
    # Confidence 0.8 three times and right twice, 0.6 once and right: |2 - 2.4| / 4 + |1 - 0.6| / 4.
    sure, unsure = math.log(4), math.log(1.5)
    margin = np.array([sure, -sure, sure, unsure])
    assert expected_calibration_error(margin) == pytest.approx(0.2)
    # In one bin all errors cancel: 3 right of 4 at a summed confidence of 3.
    assert expected_calibration_error(margin, bins=1) == pytest.approx(0.0, abs=1e-12)


def test_a_bin_reaches_up_to_its_upper_edge():
    # Of four bins the third is (0.5, 0.75]. Confidence 0.75 and right errs by 0.25, 0.6 and wrong by -0.6;
    # in one bin that is 0.35 in all, in two it would be 0.85.
    margin = np.array([math.log(3), -math.log(1.5)])
    assert expected_calibration_error(margin, bins=4) == pytest.approx(0.35 / 2)


def test_reliability_is_what_the_error_sums_up():
    # Confidence 0.8 three times and right twice, 0.6 once and right.
    sure, unsure = math.log(4), math.log(1.5)
    found = reliability(np.array([sure, -sure, sure, unsure]))
    assert found.counts.tolist() == [1, 3]
    assert found.confidence.tolist() == pytest.approx([0.6, 0.8])
    assert found.accuracy.tolist() == pytest.approx([1.0, 2 / 3])
    assert all(len(column) == 0 for column in reliability(np.array([])))


def test_ties_are_calibrated():
    # Confidence 1/2, and right half of the time.
    assert expected_calibration_error(np.zeros(5)) == 0.0


def test_a_model_right_as_often_as_it_says_is_calibrated():
    margin = math.log(4) * np.array([1, 1, 1, 1, -1.0])
    assert expected_calibration_error(margin) == pytest.approx(0.0, abs=1e-12)


def test_a_model_sure_and_always_wrong_errs_by_one():
    assert expected_calibration_error(np.full(3, -1e4)) == 1.0


@pytest.mark.parametrize("measure", [accuracy, expected_calibration_error])
def test_of_no_pairs_nothing_is_known_and_a_nan_is_not_hidden(measure):
    assert measure(np.array([])) is None
    assert math.isnan(measure(np.array([1.0, math.nan])))


def test_margin_histogram_has_zero_for_an_edge():
    counts, edges = margin_histogram(np.array([-1.0, 0.5, 0.0, 4.0]), bins=4)
    assert edges.tolist() == [-4.0, -2.0, 0.0, 2.0, 4.0]
    assert counts.tolist() == [0, 1, 2, 1]


@pytest.mark.parametrize("reach", [3.0, 5.692891674401907, 6.389289040944052])
def test_margin_histogram_has_ties_on_the_right_whatever_the_largest_margin(reach: float):
    # (reach / 10) * 10 - reach is 0 for the first and 9e-16 for the others.
    counts, edges = margin_histogram(np.array([-reach, 0.0, 0.0]), bins=20)
    assert (edges[0], edges[10], edges[20]) == (-reach, 0.0, reach)
    assert (counts[0], counts[9], counts[10]) == (1, 0, 2)


@pytest.mark.parametrize("margin", [[], [0.0, 0.0]], ids=str)
def test_margin_histogram_of_nothing_or_of_ties(margin: list[float]):
    counts, edges = margin_histogram(np.array(margin), bins=2)
    assert edges.tolist() == [-1.0, 0.0, 1.0]
    assert counts.tolist() == [0, len(margin)]


def test_margin_histogram_refuses_a_nan():
    with pytest.raises(ValueError, match="not finite"):
        margin_histogram(np.array([1.0, math.nan]))


def test_pearson():
    # Deviations -1, 0, 1 and -1, 2, -1 of 1, 2, 3 and 0, 3, 0 have product 0; of 0, 3, 3: -2, 1, 1.
    x = np.array([1.0, 2.0, 3.0])
    assert pearson(x, np.array([0.0, 3.0, 0.0])) == pytest.approx(0.0)
    assert pearson(x, np.array([0.0, 3.0, 3.0])) == pytest.approx(3 / math.sqrt(2 * 6))
    assert pearson(x, -5 * x) == pytest.approx(-1.0)


def test_spearman_sees_order_alone_and_shares_the_ranks_of_ties():
    length = np.array([3, 50, 7, 400])
    assert spearman(np.array([0.1, 0.2, 0.15, 0.21]), length) == pytest.approx(1.0)
    assert pearson(np.array([0.1, 0.2, 0.15, 0.21]), length) < 0.8
    # Ranks 1.5, 1.5, 3, 4 with 1, 3, 2, 4: deviations -1, -1, .5, 1.5 and -1.5, .5, -.5, 1.5.
    ranks = spearman(np.array([0.0, 0.0, 5.0, 6.0]), length)
    assert ranks == pytest.approx(3.0 / math.sqrt(4.5 * 5.0))


@pytest.mark.parametrize("correlation", [pearson, spearman])
def test_what_does_not_vary_correlates_with_nothing(correlation):
    varying, constant = np.arange(3.0), np.full(3, 0.1)
    assert correlation(varying, constant) is None
    assert correlation(constant, varying) is None
    assert correlation(varying[:1], varying[:1]) is None
    assert correlation(varying[:0], varying[:0]) is None


@pytest.mark.parametrize("correlation", [pearson, spearman])
def test_a_nan_is_not_hidden_by_a_correlation(correlation):
    assert math.isnan(correlation(np.array([1.0, math.nan, 2.0]), np.arange(3.0)))
