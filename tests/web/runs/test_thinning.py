"""A thinned curve keeps its spikes, its ends and its gaps."""

import math

import numpy as np

from truing.reports.curves import smoothed
from truing.web.runs.thinning import thinned

MANY = np.arange(1.0, 100_001.0)


def test_a_single_spike_in_a_hundred_thousand_steps_survives():
    values = np.sin(MANY / 9000)
    values[54_321] = 1000.0
    found = thinned(MANY, values, first=-math.inf, last=math.inf, buckets=400)
    assert [54_322.0, 1000.0] in [list(point) for point in found.points]
    assert len(found.points) <= 802
    assert found.points[0][0] == 1 and found.points[-1][0] == 100_000
    steps = [step for step, _ in found.points]
    assert steps == sorted(steps)


def test_few_points_stay_as_they_are():
    found = thinned(np.array([1.0, 2.0, 3.0]), np.array([1.0, math.nan, 3.0]), first=1, last=3)
    assert found.points == [(1.0, 1.0), (2.0, None), (3.0, 3.0)]
    assert (found.smooth, found.missing) == ([], 1)


def test_a_stretch_without_numbers_is_a_gap():
    values = np.ones(100_000)
    values[40_000:60_000] = math.nan
    found = thinned(MANY, values, first=-math.inf, last=math.inf)
    gap = [step for step, value in found.points if value is None]
    assert gap and min(gap) > 39_000 and max(gap) < 60_001 and found.missing == 20_000


def test_the_moving_average_is_that_of_the_reports():
    steps = np.arange(1.0, 101.0)
    values = np.cos(steps)
    found = thinned(steps, values, first=-math.inf, last=math.inf)
    assert np.allclose([value for _, value in found.smooth], smoothed(values.tolist()), rtol=1e-5)


def test_a_thinned_average_lies_near_the_whole_one():
    values = np.random.default_rng(0).normal(0, 1, len(MANY)) + MANY / 20_000
    found = thinned(MANY, values, first=-math.inf, last=math.inf)
    whole = smoothed(values.tolist())
    for step, value in found.smooth[40:]:
        assert abs(value - whole[round(step) - 1]) < 0.2


def test_only_the_steps_asked_for_are_shown():
    found = thinned(MANY, MANY, first=500, last=510.5)
    assert [step for step, _ in found.points] == list(range(500, 511))
    assert thinned(MANY, MANY, first=2e5, last=3e5).points == []
    assert thinned(np.empty(0), np.empty(0), first=0, last=1).points == []
