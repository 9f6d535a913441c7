"""Ratings of items by several raters, and what every coefficient of agreement does with them.

`agreement.py` and `chance_corrected.py` have the coefficients. A rater is a person or a judge, a rating a
category or a number. Ratings are a row per item and a column per rater, with None where one is missing.
"""

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from truing.core.errors import DataError
from truing.core.messages import Sentence, message
from truing.stats.clusters import resample_counts
from truing.stats.intervals import CHUNK, Floats, Interval, finite, wilson_bounds

RatingScale = Literal["nominal", "ordinal", "interval"]
Ratings = Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class RaterAgreement:
    """A coefficient of agreement, and the plain share of equal ratings beside it.

    A rater in `constant` gave all items one rating: the coefficient then says nothing about that rater's
    skill, however high `raw` is.
    """

    coefficient: Interval  # 1 is perfect, 0 is chance, below 0 is worse than chance
    raw: Interval  # mean over items of the share of an item's pairs of ratings that are equal
    constant: tuple[int, ...]  # places of the raters whose ratings never differ
    single: int  # items with fewer than two ratings, which are left out
    undefined: Sentence | None = None  # why the formula is 0/0 here; `coefficient` is then a mere 0


@dataclass(frozen=True, slots=True)
class Resampling:
    """The bootstrap of a coefficient: its seed, the level of the interval, and the number of resamples."""

    seed: int
    level: float
    draws: int


def rated(ratings: Ratings, clusters: Sequence[Hashable] | None, least: int) -> list[int]:
    """Return the places of the items with at least `least` ratings.

    Raises DataError where no item has two, rows differ in length, or `clusters` are not one an item.
    """
    if len({len(row) for row in ratings}) > 1:
        raise DataError(
            "the items have rows of different length", hint="give every rater a place, None where missing"
        )
    counts = [sum(value is not None for value in row) for row in ratings]
    if not counts or max(counts) < 2:
        raise DataError(f"none of {len(ratings)} items has two ratings", hint="agreement needs two an item")
    if clusters is not None and len(clusters) != len(ratings):
        raise DataError(f"{len(ratings)} items but {len(clusters)} clusters", hint="give one of each an item")
    return [i for i, count in enumerate(counts) if count >= least]


def rating_counts(
    rows: Ratings, scale: RatingScale, labels: Sequence[Any] | None = None
) -> tuple[list[Any], Floats]:
    """Return the q possible ratings, and how often each item got each of them, [items, q] f64.

    They are `labels`, or else those that were given. On a scale with an order they are sorted. Raises
    DataError for a rating that is not among `labels`, and on such a scale for one that is no finite number.
    """
    given = [value for row in rows for value in row if value is not None]
    distinct = list(dict.fromkeys(given if labels is None else labels))
    place = {value: i for i, value in enumerate(distinct)}
    if strange := [value for value in given if value not in place]:
        raise DataError(
            f"the rating {strange[0]!r} is none of {', '.join(map(repr, distinct))}",
            hint="list every rating that can be given",
        )
    if scale != "nominal":
        finite(given, f"ratings on the {scale} scale")
        distinct.sort()
        place = {value: i for i, value in enumerate(distinct)}
    columns = [place[value] for row in rows for value in row if value is not None]
    items = [item for item, row in enumerate(rows) for value in row if value is not None]
    cells = np.array(items) * len(distinct) + np.array(columns)
    counts = np.bincount(cells, minlength=len(rows) * len(distinct)).reshape(len(rows), -1)
    return distinct, counts.astype(np.float64)


def constant_raters(ratings: Ratings) -> tuple[int, ...]:
    """Return the places of the raters whose ratings never differ."""
    seen = [{row[rater] for row in ratings} - {None} for rater in range(len(ratings[0]))]
    return tuple(rater for rater, given in enumerate(seen) if len(given) == 1)


def why_undefined(given: Collection[Any]) -> Sentence | None:
    """Say why agreement beyond chance is 0/0 where all ratings are the same; None where they differ."""
    if len(given) != 1:
        return None
    said = "every rating is {rating}: nothing says how often these raters would agree by chance"
    return message(said, rating=next(iter(given)))


def ratio(above: Floats, below: Floats) -> Floats:
    """Return above / below, 0 where the divisor is not positive."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def resampled(
    coefficient: Callable[[Floats], Floats],
    k: int,
    n: int,
    chance: float,
    how: Resampling,
    *,
    width: int = 1,
    worth: int | None = None,
) -> Interval:
    """Return a coefficient of n items and its percentile bootstrap over k clusters.

    `coefficient` takes how often each cluster counts, [r, k], and gives [r] values, nan for a resample
    without a pair of ratings, which is left out. `chance` is the disagreement by chance, `width` the number
    of cells that one resample holds. The interval reaches at least as low as the agreement of `worth`
    perfect clusters, by default k, could be by `wilson`: raters without a quarrel are not taken for sure.
    """
    estimate = float(coefficient(np.ones((1, k)))[0])
    rows = CHUNK // max(k, width)
    found = np.concatenate([coefficient(counts) for counts in resample_counts(k, how.draws, how.seed, rows)])
    tails = [(1 - how.level) / 2, (1 + how.level) / 2]
    low, high = np.quantile(found[np.isfinite(found)], tails).tolist()
    if chance > 0:
        surest, _ = wilson_bounds(1, k if worth is None else worth, how.level)
        low = min(low, max(-1.0, 1 - (1 - surest) / chance))
    return Interval(estimate, low, max(high, low), n)
