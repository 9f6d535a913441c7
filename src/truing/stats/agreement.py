"""Agreement of raters beyond chance: Cohen's kappa and Krippendorff's alpha, with bootstrap intervals.

A rater is a person or a judge, and a rating is a category or a number. Kappa compares two raters who rated
every item. Alpha takes any number of raters, ratings that are missing, and scales with an order. Items that
belong together, such as the responses to one prompt, are resampled together: give `clusters`.

    cohen_kappa(["A", "B", "A"], ["A", "B", "B"]).coefficient.estimate
    krippendorff_alpha([[1, 2, None], [3, 3, 4]], scale="ordinal")

`chance_corrected.py` has Fleiss' kappa, and Gwet's coefficients for where one rating is nearly always given.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from truing.config.tables import find
from truing.core.errors import DataError
from truing.stats.clusters import cluster_codes, clustered_rate
from truing.stats.intervals import Floats, check_level
from truing.stats.ratings import (
    RaterAgreement,
    RatingScale,
    Resampling,
    constant_raters,
    rated,
    rating_counts,
    ratio,
    resampled,
    why_undefined,
)


def cohen_kappa(
    first: Sequence[Hashable],
    second: Sequence[Hashable],
    clusters: Sequence[Hashable] | None = None,
    *,
    seed: int = 0,
    level: float = 0.95,
    draws: int = 2000,
) -> RaterAgreement:
    """Return Cohen's kappa of two raters; place i of both, and of `clusters`, is one item.

        κ = (p_o - p_e) / (1 - p_e),   p_o the share of equal ratings,  p_e = Σ_c first(c)·second(c)

    κ is 0 where a rater is constant, also where both always give the same rating (0/0 by the formula).
    The interval is a percentile bootstrap over clusters, fixed by its seed, and reaches at least as low as
    the agreement of as many perfect clusters could be by `wilson`. Raises DataError for lists of
    unequal length and for none.
    Source: Cohen 1960, Educational and Psychological Measurement 20:37.
    """
    check_level(level)
    if len(first) != len(second):
        raise DataError(
            f"{len(first)} ratings of the first rater but {len(second)} of the second",
            hint="give each rater's rating of the same items, or use krippendorff_alpha",
        )
    code, k = cluster_codes(range(len(first)) if clusters is None else clusters, len(first))
    place = {value: i for i, value in enumerate(dict.fromkeys([*first, *second]))}
    size = len(place)
    cells = [place[a] * size + place[b] for a, b in zip(first, second, strict=True)]
    tables = np.zeros((k, size * size))
    np.add.at(tables, (code, np.array(cells)), 1.0)

    def kappa(counts: Floats) -> Floats:
        return _kappa((counts @ tables).reshape(-1, size, size))

    whole = tables.sum(0).reshape(size, size)
    chance = 1 - float(whole.sum(1) @ whole.sum(0)) / len(first) ** 2
    equal = [float(a == b) for a, b in zip(first, second, strict=True)]
    return RaterAgreement(
        resampled(kappa, k, len(first), chance, Resampling(seed, level, draws)),
        clustered_rate(equal, code.tolist(), level=level),
        tuple(rater for rater, given in enumerate((first, second)) if len(set(given)) == 1),
        single=0,
        undefined=why_undefined(place),
    )


def krippendorff_alpha(
    ratings: Sequence[Sequence[Any]],
    clusters: Sequence[Hashable] | None = None,
    *,
    scale: RatingScale = "nominal",
    seed: int = 0,
    level: float = 0.95,
    draws: int = 2000,
) -> RaterAgreement:
    """Return Krippendorff's alpha; `ratings` has a row per item and a column per rater, None where missing.

        α = 1 - D_o / D_e,   D_o = mean squared difference of two ratings of one item,
                             D_e = the same of two ratings of any items

    An item of m ratings counts m times. The difference of two ratings is 0 or 1 on the "nominal" scale,
    that of their mean ranks among all ratings on the "ordinal" one, and that of the numbers on the
    "interval" one. α is 0 where all ratings are the same (0/0 by the formula). The interval is made as in
    `cohen_kappa`. Raises DataError where no item has two ratings, or rows differ in length.
    Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, sections C to E.
    """
    check_level(level)
    metric = find("scale", _METRICS, scale, error=DataError)
    kept = rated(ratings, clusters, 2)
    code, k = cluster_codes([i if clusters is None else clusters[i] for i in kept], len(kept))
    distinct, units = rating_counts([ratings[i] for i in kept], scale)
    values = np.arange(len(distinct), dtype=np.float64)
    if scale == "interval":
        values = np.asarray(distinct, dtype=np.float64)
        values -= values.mean()  # differences alone count, and large numbers would lose digits

    def alpha(counts: Floats) -> Floats:
        return _alpha(metric, values, units, counts[:, code])

    sizes, totals = units.sum(1), units.sum(0)
    equal = (units * (units - 1)).sum(1) / (sizes * (sizes - 1))
    n = totals.sum()
    chance = float(1 - (totals * (totals - 1)).sum() / (n * (n - 1)))
    return RaterAgreement(
        resampled(alpha, k, len(kept), chance, Resampling(seed, level, draws), width=units.size),
        clustered_rate(equal.tolist(), code.tolist(), level=level),
        constant_raters(ratings),
        single=len(ratings) - len(kept),
        undefined=why_undefined(distinct),
    )


def _kappa(tables: Floats) -> Floats:
    """Return kappa of tables of counts [r, c, c]; 0 where both raters gave one and the same rating."""
    n = tables.sum((1, 2))
    equal = np.trace(tables, axis1=1, axis2=2)
    chance = (tables.sum(1) * tables.sum(2)).sum(1)
    return ratio(n * equal - chance, n * n - chance)


def _alpha(
    metric: Callable[..., tuple[Floats, Floats]], values: Floats, units: Floats, weights: Floats
) -> Floats:
    """Return alpha [r] of items that count `weights` [r, u] times."""
    observed, expected = metric(values, units, weights)
    n = weights @ units.sum(1)
    return np.where(expected > 0, 1 - ratio((n - 1) * observed, expected), 0.0)


def _of_equality(values: Floats, units: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return n·D_o and n(n - 1)·D_e of ratings that are equal or not, [r] each."""
    sizes, totals = units.sum(1), weights @ units
    within = (sizes**2 - (units**2).sum(1)) / (sizes - 1)
    return weights @ within, totals.sum(1) ** 2 - (totals**2).sum(1)


def _of_ranks(values: Floats, units: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the same of mean ranks: Σ of the ratings from c to k, with half of both, is their difference."""
    totals = weights @ units
    return _squared(totals.cumsum(1) - totals / 2, units, weights)


def _of_numbers(values: Floats, units: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the same of numbers."""
    return _squared(values[None], units, weights)


def _squared(values: Floats, units: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return both sums for squared differences of `values`, [r, v], or [1, v] where resamples share them.

    Σ_i Σ_j (x_i - x_j)² = 2 (m Σ x² - (Σ x)²) over all ordered pairs of m numbers.
    """
    sizes, totals = units.sum(1), weights @ units
    within = 2 * (sizes * (values**2 @ units.T) - (values @ units.T) ** 2) / (sizes - 1)
    sums, squares = (totals * values).sum(1), (totals * values**2).sum(1) * totals.sum(1)
    expected = 2 * (squares - sums**2)
    # A resample of one and the same rating leaves rounding in place of 0.
    return (weights * within).sum(1), np.where(expected > 1e-12 * squares, expected, 0.0)


_METRICS: dict[str, Callable[..., tuple[Floats, Floats]]] = {
    "nominal": _of_equality,
    "ordinal": _of_ranks,
    "interval": _of_numbers,
}
