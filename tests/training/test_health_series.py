"""Series of metrics: noise about a trend, changes beyond it, and when they began."""

import math
import random

import pytest

from truing.training.health_series import History, Series, noise


def test_what_is_no_number_is_left_out():
    history = History()
    history.add({"step": 1, "loss": math.nan, "note": "text", "flag": True, "none": None, "kl": 2})
    assert history.names() == ["step", "kl"]
    assert history.lost == {"loss": [1]}


# Statistics


def test_noise_is_the_spread_about_a_trend():
    draw = random.Random(0)
    assert noise([3 * n + draw.gauss(0, 40) for n in range(2000)]) == pytest.approx(40, rel=0.05)
    assert noise([0.0] * 9 + [1.0]) == pytest.approx(math.sqrt(1 / 9) / math.sqrt(2)), "most neighbours equal"
    assert noise([5.0]) == 0


def test_a_change_that_is_none_is_rarely_beyond_three_standard_errors():
    beyond = 0
    for seed in range(500):
        draw = random.Random(seed)
        change = Series(list(range(40)), [draw.gauss(0, 1) for _ in range(40)]).change()
        assert change is not None
        beyond += abs(change.sigmas) > 3
    assert beyond <= 10  # 1 % would be 5


def test_since_is_where_a_series_went_over_for_good():
    values = [0.0, 0.0, 9.0, 0.0, 0.0, 5.0, 5.0, 0.0, 5.0, 5.0]
    assert Series(list(range(10, 110, 10)), values).since(1.0, above=True) == 60, (
        "one dip or one peak is noise"
    )
