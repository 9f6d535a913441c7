"""Agreement of raters by shares of ratings: Fleiss' kappa, and Gwet's AC1 and AC2.

They take any number of raters and ratings that are missing, as `krippendorff_alpha` does, and differ in the
agreement that they take for chance. Where one rating is nearly always given, kappa and alpha take nearly all
agreement for chance and fall to 0 or below; AC1 and AC2 do not.

    fleiss_kappa([["A", "A", "B"], ["B", "B", None]])
    gwet_ac([[1, 2, None], [3, 3, 4]], labels=range(1, 6), scale="ordinal")
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
    Ratings,
    RatingScale,
    Resampling,
    constant_raters,
    rated,
    rating_counts,
    ratio,
    resampled,
    why_undefined,
)


def fleiss_kappa(
    ratings: Ratings,
    clusters: Sequence[Hashable] | None = None,
    *,
    seed: int = 0,
    level: float = 0.95,
    draws: int = 2000,
) -> RaterAgreement:
    """Return Fleiss' kappa; `ratings` has a row per item and a column per rater, None where missing.

        κ = (p_o - p_e) / (1 - p_e),   p_e = Σ_c π_c²

    p_o is the mean share of an item's pairs of ratings that are equal, π_c the mean share of rating c in an
    item. The raters of one item need not be those of another. An item of one rating counts in π alone, as
    in Gwet's form for missing ratings. Interval and errors are those of `krippendorff_alpha`.
    Source: Fleiss 1971, Psychological Bulletin 76:378; Gwet 2014, Handbook of Inter-Rater Reliability.
    """
    rows = [ratings[i] for i in rated(ratings, clusters, 1)]
    distinct, units = rating_counts(rows, "nominal")

    def chance(shares: Floats) -> Floats:
        return (shares**2).sum(1)

    how = Resampling(seed, level, draws)
    return _corrected(ratings, clusters, units, np.eye(len(distinct)), chance, how)


def gwet_ac(
    ratings: Ratings,
    clusters: Sequence[Hashable] | None = None,
    *,
    labels: Sequence[Any] | None = None,
    scale: RatingScale = "nominal",
    seed: int = 0,
    level: float = 0.95,
    draws: int = 2000,
) -> RaterAgreement:
    """Return Gwet's AC1, or AC2 on a scale with an order; `ratings` are those of `fleiss_kappa`.

        AC = (p_o - p_e) / (1 - p_e),   p_e = Σ_cd w(c, d) / (q (q - 1)) · Σ_c π_c (1 - π_c)

    `labels` are all q ratings that can be given, by default those that were; AC depends on q. Two ratings
    agree as much as w says: 1 or 0 on the "nominal" scale; 1 - T(|i - j|)/T(q - 1), T(d) = d(d + 1)/2, of
    their places on the "ordinal" one; 1 - (x - y)²/(max - min)² of the numbers on the "interval" one. p_o is
    the mean of w over an item's pairs of ratings, and `raw` the share of equal ones. AC is undefined where a
    single rating can be given. Raises DataError as `fleiss_kappa`, and for a rating not among `labels`.
    Source: Gwet 2008, British Journal of Mathematical and Statistical Psychology 61:29; Gwet 2014, Handbook
    of Inter-Rater Reliability, chapters 3 and 4.
    """
    closeness = find("scale", _CLOSENESS, scale, error=DataError)
    rows = [ratings[i] for i in rated(ratings, clusters, 1)]
    distinct, units = rating_counts(rows, scale, labels)
    q = len(distinct)
    weights = closeness(np.asarray(distinct if scale == "interval" else range(q), dtype=np.float64))

    def chance(shares: Floats) -> Floats:
        if q == 1:
            return np.ones(len(shares))
        return (shares * (1 - shares)).sum(1) * (float(weights.sum()) / (q * (q - 1)))

    return _corrected(ratings, clusters, units, weights, chance, Resampling(seed, level, draws))


def _corrected(
    ratings: Ratings,
    clusters: Sequence[Hashable] | None,
    units: Floats,
    weights: Floats,
    chance: Callable[[Floats], Floats],
    how: Resampling,
) -> RaterAgreement:
    """Return (p_o - p_e) / (1 - p_e); `units` [u, q] counts ratings, `weights` [q, q] says how two agree."""
    check_level(how.level)
    kept = rated(ratings, clusters, 1)
    code, k = cluster_codes([i if clusters is None else clusters[i] for i in kept], len(kept))
    sizes = units.sum(1)
    several = sizes > 1
    pairs = np.where(several, sizes * (sizes - 1), 1.0)
    close, equal = (
        ((units * (units @ table)).sum(1) - sizes) / pairs for table in (weights, np.eye(len(weights)))
    )
    rows = np.column_stack([close * several, several, np.ones(len(kept)), units / sizes[:, None]])
    totals = np.stack([np.bincount(code, weights=column, minlength=k) for column in rows.T], axis=1)

    def coefficient(counts: Floats) -> Floats:
        agreed, paired, items, *shares = (counts @ totals).T
        by_chance = chance(np.stack(shares, axis=1) / items[:, None])
        observed = np.divide(agreed, paired, out=np.full_like(agreed, np.nan), where=paired > 0)
        return ratio(observed - by_chance, 1 - by_chance)

    expected = float(chance((units / sizes[:, None]).mean(0, keepdims=True))[0])
    worth = len(set(code[several].tolist()))
    seen = {value for row in ratings for value in row if value is not None}
    return RaterAgreement(
        resampled(coefficient, k, int(several.sum()), 1 - expected, how, worth=worth),
        clustered_rate(equal[several].tolist(), code[several].tolist(), level=how.level),
        constant_raters(ratings),
        single=len(ratings) - int(several.sum()),
        undefined=why_undefined(seen) if expected >= 1 else None,
    )


def _same(places: Floats) -> Floats:
    return np.eye(len(places))


def _near_in_order(places: Floats) -> Floats:
    gaps = np.abs(places[:, None] - places)
    return 1 - gaps * (gaps + 1) / max(len(places) * (len(places) - 1), 1)


def _near_in_number(values: Floats) -> Floats:
    span = float(values.max() - values.min()) or 1.0
    return 1 - ((values[:, None] - values) / span) ** 2


# How much two ratings agree, [q, q], by the places or numbers of the q ratings.
_CLOSENESS: dict[str, Callable[[Floats], Floats]] = {
    "nominal": _same,
    "ordinal": _near_in_order,
    "interval": _near_in_number,
}
