"""Series of metrics: finite values, moving averages, and ends that are means."""

import math

import pytest

from truing.reports.curves import end, ends, read_series, smoothed, thin


def test_series_count_what_is_not_finite():
    series = read_series([{"step": 1, "loss": 2.0}, {"step": 2}, {"step": 3, "loss": math.nan}], "loss")
    assert (series.steps, series.values, series.not_finite) == ([1], [2.0], 1)


def test_thinning_keeps_ends_and_extremes():
    values = [0.0] * 100_000
    values[77_777] = 9.0
    places = thin(values, 2_000)
    assert len(places) <= 2_002 and 77_777 in places
    assert (places[0], places[-1]) == (0, 99_999) and places == sorted(places)


def test_an_end_is_a_mean_of_a_tenth_and_of_five_steps_at_least():
    hundred = ends([float(step) for step in range(1, 101)])
    assert hundred is not None and (hundred.first, hundred.last, hundred.steps) == (5.5, 95.5, 10)
    dozen = ends([float(step) for step in range(1, 13)])
    assert dozen is not None and (dozen.first, dozen.last, dozen.steps) == (3.0, 10.0, 5)
    four = ends([1.0, 3.0, 5.0, 7.0])
    assert four is not None and (four.first, four.last, four.steps) == (2.0, 6.0, 2)
    assert ends([1.0, 2.0, 3.0]) is None, "an end would be one batch"


def test_a_metric_ends_at_a_mean_and_an_evaluation_at_its_last():
    values = [float(step) for step in range(1, 101)]
    assert (end("loss", values), end("eval/loss", values), end("loss", [])) == (95.5, 100.0, None)


def test_a_moving_average_is_one_from_the_first_step():
    """A span of 5 weighs the newest value by 2 / 6: (2/3 * 0 + 1 * 1) / (2/3 + 1) = 0.6 after two values."""
    assert smoothed([0.0, 1.0]) == pytest.approx([0.0, 0.6])
    assert smoothed([4.0] * 50) == pytest.approx([4.0] * 50)
    # Of 100 values the span is 10: a leap of one value moves it by 2 / 11.
    assert smoothed([0.0] * 99 + [1.0])[-1] == pytest.approx(2 / 11, rel=1e-6)
