"""Series of metrics over steps, prepared for drawings and sentences.

One step is one batch, and two batches differ by chance. A curve is therefore drawn with its moving average,
and sentences state the means of its first and its last tenth.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_POINTS = 600  # of a line: more than a panel has pixels
SMOOTHED = 20  # the fewest steps for a drawn moving average
LEAST = 5  # the fewest steps of an end, in series of twice as many or more


@dataclass(frozen=True, slots=True)
class MetricSeries:
    """The finite values of one metric over steps, and how many were not finite."""

    steps: list[float]
    values: list[float]
    not_finite: int


@dataclass(frozen=True, slots=True)
class Ends:
    """The mean of the first `steps` values, and the mean of the last."""

    first: float
    last: float
    steps: int


def read_series(rows: Sequence[Mapping[str, Any]], name: str) -> MetricSeries:
    """Return the metric `name` of the rows that carry it; a run writes null for a non-finite number."""
    steps, values, not_finite = [], [], 0
    for row in rows:
        if name not in row:
            continue
        value = row[name]
        if value is not None and math.isfinite(value):
            steps.append(row["step"])
            values.append(value)
        else:
            not_finite += 1
    return MetricSeries(steps, values, not_finite)


def held_out(name: str) -> bool:
    """Tell whether a metric is of an evaluation: of all held-out rows, not of a batch."""
    return name.startswith("eval/")


def end_steps(count: int) -> int:
    """Count the steps of an end of a series of `count` steps: a tenth, but at least five of ten or more."""
    return max(count // 10, min(LEAST, count // 2))


def ends(values: Sequence[float]) -> Ends | None:
    """Return both ends of a series; None where an end would be a single step."""
    steps = end_steps(len(values))
    if steps < 2:
        return None
    return Ends(statistics.fmean(values[:steps]), statistics.fmean(values[-steps:]), steps)


def end(name: str, values: Sequence[float]) -> float | None:
    """Return a metric's end: its last evaluation, else the mean of its last steps; None without values."""
    if not values:
        return None
    return values[-1] if held_out(name) else statistics.fmean(values[-max(1, end_steps(len(values))) :])


def smoothed(values: Sequence[float]) -> list[float]:
    """Return the exponential moving average over a tenth of the steps, without bias at the first steps.

    A span of s steps has the weight 2 / (s + 1) for the newest.
    """
    newest = 2 / (max(LEAST, len(values) // 10) + 1)
    total = weight = 0.0
    found = []
    for value in values:
        total, weight = total + newest * (value - total), weight + newest * (1 - weight)
        found.append(total / weight)
    return found


def thin(values: Sequence[float], most: int = MOST_POINTS) -> list[int]:
    """Return the places of at most `most` values (plus two): both ends, each bucket's least and largest."""
    if len(values) <= most:
        return list(range(len(values)))
    size = math.ceil(2 * len(values) / most)
    kept = {0, len(values) - 1}
    for start in range(0, len(values), size):
        bucket = range(start, min(start + size, len(values)))
        kept.add(min(bucket, key=values.__getitem__))
        kept.add(max(bucket, key=values.__getitem__))
    return sorted(kept)
