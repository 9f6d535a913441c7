"""Calibration, margins and correlations; each expected number is worked out here by hand."""

import math

import numpy as np
import pytest

from truing.stats.calibration import (
    accuracy,
    calibration_error,
    expected_calibration_error,
    margin_histogram,
    pearson,
    reliability,
    spearman,
)


def test_confidence_that_is_the_share_right_has_no_error() -> None:
    assert calibration_error([0.75] * 4, [True, True, True, False]).estimate == pytest.approx(0)


def test_the_error_is_weighted_by_bins() -> None:
    # Three of 0.9 of which one is right: |2.7 - 1|; one of 0.2 that is right: |0.2 - 1|.
    found = calibration_error([0.9, 0.9, 0.9, 0.2], [True, False, False, True])
    assert found.estimate == pytest.approx((1.7 + 0.8) / 4)
    assert found.n == 4 and found.low <= found.estimate


def test_full_confidence_falls_into_the_last_bin() -> None:
    assert calibration_error([1.0, 0.95], [True, False]).estimate == pytest.approx(0.475)


def test_the_interval_is_fixed_by_its_seed() -> None:
    values, right = [0.1, 0.4, 0.6, 0.8, 0.9], [False, True, False, True, True]
    assert calibration_error(values, right, 3) == calibration_error(values, right, 3)


def test_the_interval_holds_the_quantiles_of_resampled_answers() -> None:
    """Of two answers, 0.9 right and 0.2 wrong, a resample has the error .1, .2 or, of both, .15."""
    found = calibration_error([0.9, 0.2], [True, False])
    assert (found.low, found.high) == (pytest.approx(0.1), pytest.approx(0.2))
    alone = calibration_error([0.9], [True])
    assert (alone.low, alone.estimate, alone.high) == (pytest.approx(0.1),) * 3


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
