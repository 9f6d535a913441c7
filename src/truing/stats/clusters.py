"""Intervals for several samples a prompt, some of which may have failed.

Samples of one prompt resemble each other, so 50 prompts sampled 4 times are not 200 independent items: an
interval for 200 items would be too narrow. Here a prompt is a cluster, and every function takes the values
and the prompt of each value. With one sample a prompt, every function gives the usual number.

A failed sample is None, never 0: `measured` counts it, and bounds the effect of all failed samples on the
mean.

    measured([1, 0, None, 1], ["a", "a", "b", "b"], clustered_rate)
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats  # pyright: ignore[reportMissingTypeStubs] - scipy has none

from truing.core.errors import DataError
from truing.stats.intervals import CHUNK, Interval, check_level, finite, wilson_bounds


@dataclass(frozen=True, slots=True)
class Measured:
    """A mean over the samples that have a value, and the bounds that the missing samples could move it to."""

    interval: Interval | None  # None if every value is missing
    missing: int
    worst: float  # the mean if every missing value were the worst there is
    best: float


def _quantile_of_t(share: float, freedom: int) -> float:
    return float(stats.t.ppf(share, freedom))  # pyright: ignore[reportUnknownMemberType] - scipy has no types


def clustered_error(values: Sequence[float], prompts: Sequence[Hashable]) -> float:
    """Return the standard error of the mean of `values` when those of one prompt depend on each other.

        √(k/(k - 1) · Σ_c (Σ_{i∈c} (sᵢ - s̄))²) / n,   k prompts, n values

    With one value a prompt it is std(ddof=1)/√n. Raises DataError below two prompts.
    Source: Miller 2024, arXiv:2411.00640, with the finite-sample factor k/(k - 1).
    """
    data = finite(values, "values")
    code, k = cluster_codes(prompts, len(data))
    if k < 2:
        raise DataError(
            f"all {len(data)} values belong to one prompt, whose spread among prompts is unknown",
            hint="score at least two prompts",
        )
    deviations = np.bincount(code, weights=data - data.mean())
    return float(np.sqrt(k / (k - 1) * (deviations**2).sum()) / len(data))


def clustered_mean(values: Sequence[float], prompts: Sequence[Hashable], *, level: float = 0.95) -> Interval:
    """mean ± t·`clustered_error`, t the quantile at k - 1 degrees of freedom; for scores of any range.

    Raises DataError below two prompts. For rates use `clustered_rate`, which keeps its coverage near 0 and 1.
    """
    check_level(level)
    error = clustered_error(values, prompts)
    mean = float(np.mean(values))
    half = _quantile_of_t((1 + level) / 2, len(set(prompts)) - 1) * error
    return Interval(mean, mean - half, mean + half, len(values))


def clustered_rate(values: Sequence[float], prompts: Sequence[Hashable], *, level: float = 0.95) -> Interval:
    """Return the Wilson interval of a rate at the effective number of samples; values lie in [0, 1].

        n* = p(1 - p)/(Σ_c (Σ_{i∈c} (sᵢ - p))²/n² · k/(k - 1) · (n - 1)/n) · (t₍ₙ₋₁₎/t₍ₖ₋₁₎)²

    With one value of 0 or 1 a prompt, n* = n and this is `wilson`. Values between, such as ties of ½, vary
    less and count for more. Where no prompt differs from another, such as when all pass, the data do not say
    the number of samples that a prompt is worth, so each prompt counts once. No bound is surer than that of k
    perfect prompts, so that a policy with failures never looks safer than one without.
    Source: Korn & Graubard 1998, Survey Methodology 24:193 (n*); Franco et al. 2019, Journal of Survey
    Statistics and Methodology 7:334 (Wilson at n*). The rule for the ends is ours, checked by simulation.
    """
    check_level(level)
    data = finite(values, "values")
    if ((data < 0) | (data > 1)).any():
        raise DataError(
            f"values run from {data.min():g} to {data.max():g}, a rate's lie in [0, 1]",
            hint="use clustered_mean for scores of another range",
        )
    n, rate = len(data), float(data.mean())
    _, k = cluster_codes(prompts, n)
    if k == 1:
        return Interval(rate, *wilson_bounds(rate, 1, level), n)
    tail = (1 + level) / 2
    freedom = (_quantile_of_t(tail, n - 1) / _quantile_of_t(tail, k - 1)) ** 2
    variance = clustered_error(values, prompts) ** 2 * (n - 1) / n
    independent = rate * (1 - rate) / n
    # Prompts that do not differ leave rounding in place of 0.
    effective = n * independent / variance if variance > 1e-9 * independent else k
    low, high = wilson_bounds(rate, effective * freedom, level)
    surest, _ = wilson_bounds(1, k * freedom, level)
    return Interval(rate, min(low, surest), max(high, 1 - surest), n)


def clustered_ratio(
    numerators: Sequence[float],
    denominators: Sequence[float],
    prompts: Sequence[Hashable],
    *,
    seed: int = 0,
    level: float = 0.95,
    draws: int = 10_000,
) -> Interval:
    """Return the interval of Σ numerators / Σ denominators, such as nats per token.

    It is a percentile bootstrap over whole prompts, fixed by its seed; it is too narrow below some 20
    prompts. Raises DataError for a denominator that is not positive.
    """
    check_level(level)
    above, below = finite(numerators, "numerators"), finite(denominators, "denominators")
    if len(above) != len(below):
        raise DataError(
            f"{len(above)} numerators but {len(below)} denominators", hint="give one of each a sample"
        )
    if below.min() <= 0:
        raise DataError(
            f"the smallest denominator is {below.min():g}, each must be positive",
            hint="leave samples without tokens out and count them on their own",
        )
    code, _ = cluster_codes(prompts, len(above))
    sums, sizes = np.bincount(code, weights=above), np.bincount(code, weights=below)
    ratios = [
        (counts @ sums) / (counts @ sizes)
        for counts in resample_counts(len(sums), draws, seed, CHUNK // len(sums))
    ]
    low, high = np.quantile(np.concatenate(ratios), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(above.sum() / below.sum()), float(low), float(high), len(above))


def clustered_difference(
    before: Sequence[float], after: Sequence[float], prompts: Sequence[Hashable], *, level: float = 0.95
) -> Interval:
    """Return `clustered_mean` of after - before; place i of both is one item, or one sample of an item."""
    if len(before) != len(after):
        raise DataError(
            f"{len(before)} items before but {len(after)} after",
            hint="pair the same items in the same order, with None where one has no value",
        )
    gaps = finite(after, "after") - finite(before, "before")
    return clustered_mean(gaps.tolist(), prompts, level=level)


def measured(
    values: Sequence[float | None],
    prompts: Sequence[Hashable],
    interval: Callable[[Sequence[float], Sequence[Hashable]], Interval],
    *,
    worst: float = 0.0,
    best: float = 1.0,
) -> Measured:
    """Return the `interval` of the values that are there, with missing values (None) counted and bounded.

    `worst` and `best` are the ends of the score: 0 and 1 where more is better, 1 and 0 for a rate of harm.
    They are infinite for a score without ends; then a missing value leaves the mean without bounds.
    """
    cluster_codes(prompts, len(values))
    present = [(v, prompt) for v, prompt in zip(values, prompts, strict=True) if v is not None]
    _check_range([v for v, _ in present], worst, best)
    found = interval(*(list(column) for column in zip(*present, strict=True))) if present else None
    return Measured(found, len(values) - len(present), _filled(values, worst), _filled(values, best))


def cluster_codes(prompts: Sequence[Hashable], n: int) -> tuple[NDArray[np.int64], int]:
    """Return the place of each value's prompt among the k different prompts, [n] i64 in 0 .. k - 1, and k."""
    if len(prompts) != n or not n:
        raise DataError(
            f"{n} values but {len(prompts)} prompts", hint="give at least one value, each with its prompt"
        )
    place = {prompt: i for i, prompt in enumerate(dict.fromkeys(prompts))}
    return np.array([place[prompt] for prompt in prompts]), len(place)


def resample_counts(k: int, draws: int, seed: int, rows: int) -> Iterator[NDArray[np.float64]]:
    """Count the draws of each of k clusters in `draws` resamples; yield chunks [at most rows, k] f64."""
    if draws < 1:
        raise ValueError(f"draws must be at least 1, not {draws}")
    rng = np.random.default_rng(seed)
    rows = max(1, rows)
    for start in range(0, draws, rows):
        size = min(rows, draws - start)
        cells = rng.integers(k, size=(size, k)) + k * np.arange(size)[:, None]
        yield np.bincount(cells.ravel(), minlength=size * k).reshape(size, k).astype(np.float64)


def _filled(values: Sequence[float | None], missing: float) -> float:
    """Return the mean with `missing` in place of every None."""
    return float(np.mean([missing if value is None else value for value in values]))


def _check_range(values: Sequence[float], worst: float, best: float) -> None:
    low, high = sorted((worst, best))
    if outside := [value for value in values if not low <= value <= high]:
        raise DataError(
            f"the score {outside[0]:g} lies outside its range {low:g} to {high:g}",
            hint="give the score's own ends as worst and best",
        )
