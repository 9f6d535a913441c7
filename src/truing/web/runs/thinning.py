"""Curves with as many points as a chart has room for: spikes survive, and so do gaps.

Each bucket of steps gives its least and its largest value, and both ends stay. The smooth line is the
exponential moving average of the buckets' means over a tenth of what is shown, without bias at its beginning.
"""

import math
from dataclasses import dataclass

import numpy as np

from truing.reports.curves import LEAST, SMOOTHED

BUCKETS = 400
CurvePoint = tuple[float, float | None]  # step and value; None where the value is no number


@dataclass(frozen=True)
class ThinCurve:
    """A metric between two steps, ready to draw."""

    points: list[CurvePoint]
    smooth: list[CurvePoint]
    missing: int  # values that are no number


def thinned(
    steps: np.ndarray, values: np.ndarray, *, first: float, last: float, buckets: int = BUCKETS
) -> ThinCurve:
    """Thin the values [n] f64 at `steps` [n] f64, which rise, between the steps `first` and `last`."""
    low, high = np.searchsorted(steps, [first, last], side="left")
    high = np.searchsorted(steps, last, side="right")
    steps, values = steps[low:high], values[low:high]
    missing = int((~np.isfinite(values)).sum())
    if len(values) <= 2 * buckets:
        points = [_point(step, value) for step, value in zip(steps, values, strict=True)]
        return ThinCurve(points, _smoothed(steps, values), missing)
    table, places = _bucketed(values, buckets), _bucketed(steps, buckets)
    there = np.isfinite(table)
    counts = there.sum(1)
    least = np.where(there, table, math.inf).argmin(1)
    largest = np.where(there, table, -math.inf).argmax(1)
    points = []
    for bucket in range(len(table)):
        kept = sorted({least[bucket], largest[bucket]}) if counts[bucket] else [0]
        points += [_point(places[bucket, at], table[bucket, at]) for at in kept]
    ends = [_point(steps[at], values[at]) for at in (0, -1)]
    points = [*ends[: points[0] != ends[0]], *points, *ends[1 : 1 + (points[-1] != ends[1])]]
    sums = np.where(there, table, 0).sum(1)
    means = np.divide(sums, counts, out=np.full(len(table), math.nan), where=counts > 0)
    return ThinCurve(points, _smoothed(np.nanmean(places, 1), means), missing)


def _bucketed(values: np.ndarray, buckets: int) -> np.ndarray:
    """Lay values out in rows of equal length, [buckets, size]; NaN fills the last."""
    size = math.ceil(len(values) / buckets)
    rows = math.ceil(len(values) / size)
    padded = np.full(rows * size, math.nan)
    padded[: len(values)] = values
    return padded.reshape(rows, size)


def _smoothed(steps: np.ndarray, values: np.ndarray) -> list[CurvePoint]:
    """Return the moving average of the finite values; nothing for a few."""
    there = np.isfinite(values)
    if there.sum() < SMOOTHED:
        return []
    newest = 2 / (max(LEAST, int(there.sum()) // 10) + 1)
    total = weight = 0.0
    found: list[CurvePoint] = []
    for step, value in zip(steps[there].tolist(), values[there].tolist(), strict=True):
        total, weight = total + newest * (value - total), weight + newest * (1 - weight)
        found.append(_point(step, total / weight))
    return found


def _point(step: float, value: float) -> CurvePoint:
    return round(float(step), 3), float(f"{value:.6g}") if math.isfinite(value) else None
