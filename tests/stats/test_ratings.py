"""Ratings as counts, and the bootstrap that the coefficients share."""

import numpy as np
import pytest

from truing.core.errors import DataError
from truing.stats.ratings import Resampling, constant_raters, rated, rating_counts, resampled, why_undefined


def test_ratings_are_counted_by_item_in_the_order_of_the_scale():
    distinct, counts = rating_counts([[3, 1, None], [1, 1, 2]], "ordinal")
    assert distinct == [1, 2, 3]
    assert counts.tolist() == [[1, 0, 1], [2, 1, 0]]
    distinct, counts = rating_counts([["b", "a"]], "nominal", ["a", "b", "c"])
    assert (distinct, counts.tolist()) == (["a", "b", "c"], [[1, 1, 0]])


def test_items_with_enough_ratings_are_kept():
    rows = [[1, None], [1, 2], [None, None]]
    assert rated(rows, None, 1) == [0, 1]
    assert rated(rows, None, 2) == [1]
    with pytest.raises(DataError, match="3 items but 1 clusters"):
        rated(rows, ["a"], 1)


def test_a_rater_of_one_rating_is_constant_and_one_without_any_is_not():
    assert constant_raters([[1, 2, None], [1, 3, None]]) == (0,)


def test_only_one_rating_leaves_agreement_undefined():
    assert "every rating is 4" in str(why_undefined([4]))
    assert why_undefined([4, 5]) is None
    assert why_undefined([]) is None


def test_resamples_without_a_value_are_left_out():
    """A mean over the items that count, nan where the first item was not drawn."""
    values = np.array([0.0, 1.0, 1.0])

    def mean(counts):
        return np.where(counts[:, 0] > 0, counts @ values / counts.sum(1), np.nan)

    found = resampled(mean, 3, 3, 0.0, Resampling(0, 0.95, 500))
    assert found.estimate == pytest.approx(2 / 3)
    assert found.high < 1
