"""Confidence against what is right, by hand."""

import pytest

from truing.evals.calibration import calibration_error


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
