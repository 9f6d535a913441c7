"""Intervals for measured rates and means, and tests for before against after.

Every score in a report carries an `Interval`. To add a method, write a function that returns one and
name its source. Unparsed verdicts are not values: leave them out and count them elsewhere.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats  # pyright: ignore[reportMissingTypeStubs] - scipy has none

from truing.core.errors import DataError

Floats = NDArray[np.float64]

# Resampled indices held at once; bounds memory at about 16 MB however long the data.
CHUNK = 2_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A number measured on `n` items, and the range that covers the true number at the given level."""

    estimate: float
    low: float
    high: float
    n: int

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"an interval needs at least one item, not {self.n}")
        # The estimate may leave [low, high]: a percentile bootstrap promises nothing about it.
        if not (self.low <= self.high and math.isfinite(self.estimate)):
            raise ValueError(f"{self.low} to {self.high} around {self.estimate} is not an interval")


def wilson(successes: float, n: int, level: float = 0.95) -> Interval:
    """Return the Wilson score interval of a rate, without continuity correction.

        (p + z²/2n ± z·√(p(1-p)/n + z²/4n²)) / (1 + z²/n),   p = successes / n,  z = Φ⁻¹((1 + level) / 2)

    Unlike p ± z·√(p(1-p)/n) it keeps its coverage near 0 and 1, where safety rates are. A tie may be half
    a success.
    Source: Wilson 1927, JASA 22:209; method 3 of Newcombe 1998, Statistics in Medicine 17:857.
    """
    check_level(level)
    if n < 1 or not 0 <= successes <= n:
        raise DataError(
            f"{successes} successes out of {n} is not a rate",
            hint="a rate needs n of at least 1 and successes from 0 to n",
        )
    low, high = wilson_bounds(successes / n, n, level)
    return Interval(successes / n, low, high, n)


def wilson_bounds(rate: float, n: float, level: float) -> tuple[float, float]:
    """Return the two ends of `wilson`; `n` may be an effective number of items, so it need not be whole."""
    z = float(stats.norm.ppf((1 + level) / 2))  # pyright: ignore[reportUnknownMemberType] - scipy has no types
    shrink = 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / shrink
    half = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / shrink
    # At the ends the bound is the rate itself; rounding would leave 1e-18 there.
    return (0.0 if rate == 0 else centre - half), (1.0 if rate == 1 else centre + half)


def bootstrap_mean(
    values: Sequence[float], *, seed: int = 0, level: float = 0.95, draws: int = 10_000
) -> Interval:
    """Return the percentile bootstrap interval of a mean: quantiles of the means of `draws` resamples.

    The same seed gives the same interval. Source: Efron & Tibshirani 1993, An Introduction to the
    Bootstrap, section 13.3. Too narrow for few items (n < 20 or so); for rates use `wilson`, and for several
    values of one prompt `clustered_mean`.
    """
    check_level(level)
    data = finite(values, "values")
    mean = float(data.mean())
    low, high = bootstrap_ends((data,), np.mean, seed=seed, level=level, draws=draws)
    return Interval(mean, low, high, len(data))


def bootstrap_ends(
    samples: Sequence[Floats],
    statistic: Callable[..., Any],
    *,
    seed: int,
    level: float = 0.95,
    draws: int = 10_000,
) -> tuple[float, float]:
    """Return the ends of a percentile bootstrap of `statistic(*samples)`; place i of all is one item.

    Each sample is [n] f64. A statistic that takes `axis` is computed for many resamples at once.
    """
    if len(samples[0]) == 1:  # resamples of one item are that item
        alone = float(statistic(*samples))
        return alone, alone
    drawn: Any = stats.bootstrap(  # pyright: ignore[reportUnknownMemberType]
        tuple(samples),
        statistic,
        n_resamples=draws,
        batch=max(1, CHUNK // len(samples[0])),
        paired=len(samples) > 1,
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)


def paired_bootstrap(
    before: Sequence[float],
    after: Sequence[float],
    *,
    seed: int = 0,
    level: float = 0.95,
    draws: int = 10_000,
) -> Interval:
    """Return the interval of mean(after - before), where place i of both is the same item.

    Items are resampled as pairs, so the difficulty of an item cancels out.
    """
    difference = _paired(finite(before, "before"), finite(after, "after"))
    return bootstrap_mean(difference.tolist(), seed=seed, level=level, draws=draws)


def mcnemar(before: Sequence[bool], after: Sequence[bool]) -> float:
    """Return the two-sided p of "as many items were lost as won", by the exact binomial test.

        p = min(1, 2·P[Bin(b + c, ½) ≤ min(b, c)]),   b = passed only before,  c = passed only after

    Items that did not change say nothing; if none changed, p is 1.
    Source: McNemar 1947, Psychometrika 12:153, with the exact tail in place of χ².
    """
    difference = _paired(_flags(before, "before"), _flags(after, "after"))
    lost, won = int((difference < 0).sum()), int((difference > 0).sum())
    if not lost + won:
        return 1.0
    found: Any = stats.binomtest(lost, lost + won, 0.5)  # pyright: ignore[reportUnknownMemberType]
    return float(found.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the adjusted p values of a family of tests, in the order given; reject those up to α.

        p̃₍ᵢ₎ = max over j ≤ i of min(1, (m - j + 1)·p₍ⱼ₎),   p₍₁₎ ≤ … ≤ p₍ₘ₎

    The chance that any true hypothesis is rejected is at most α, for any dependence among the tests.
    Source: Holm 1979, Scandinavian Journal of Statistics 6:65.
    """
    if not len(p_values):
        return []
    given = finite(p_values, "p_values")
    if ((given < 0) | (given > 1)).any():
        raise DataError(
            f"p_values run from {given.min():g} to {given.max():g}", hint="a p value lies between 0 and 1"
        )
    order = np.argsort(given)
    stepped = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1))
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted.tolist()


def _paired(before: Floats, after: Floats) -> Floats:
    """Return after - before, [n] f64."""
    if len(before) != len(after):
        raise DataError(
            f"{len(before)} items before but {len(after)} after",
            hint="pair the same items in the same order, without those unscored in either",
        )
    return after - before


def finite(values: Sequence[float], name: str) -> Floats:
    """Return `values` as [n] f64. Raises DataError, with their `name`, unless n > 0 and all are finite."""
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1 or not len(data):
        raise DataError(
            f"{name} has shape {data.shape}; one number per item was expected",
            hint="score at least one item",
        )
    if not np.isfinite(data).all():
        bad = int((~np.isfinite(data)).sum())
        raise DataError(
            f"{bad} of {len(data)} numbers in {name} are not finite",
            hint="leave unscored items out and count them on their own",
        )
    return data


def _flags(values: Sequence[bool], name: str) -> Floats:
    data = finite([float(value) for value in values], name)
    if not np.isin(data, (0.0, 1.0)).all():
        raise DataError(
            f"{name} holds numbers other than passed (1) and failed (0)",
            hint="use clustered_difference for graded scores",
        )
    return data


def check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level is a share between 0 and 1, such as 0.95, not {level}")
