"""Metrics of a run as series, and the changes in them that exceed their noise.

A rule compares where a series began with where it stands now. The noise of one value is taken from
differences of neighbours, whose median neither a trend nor a single outlier moves.
"""

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

BASE = 5  # values that say where a series began
RECENT = 8  # values that say where it stands
TAIL = 64  # values whose differences tell its noise
SKIPPED = "skipped"  # of a step in which a number was not finite: how many such steps there were by then
ALWAYS_DEFINED = ("loss", "eval/loss", "grad_norm")
MEDIAN_COST = math.sqrt(math.pi / 2)  # standard error of a median over that of a mean


class Change(NamedTuple):
    """The change of a series from its first values to its newest, in its own unit."""

    before: float  # median of its first values
    now: float  # median of its newest
    error: float  # standard error of the difference, above 0

    @property
    def moved(self) -> float:
        return self.now - self.before

    @property
    def sigmas(self) -> float:
        """Return the change in standard errors: above 0 for a rise, below 0 for a fall."""
        return self.moved / self.error


@dataclass
class Series:
    """The finite values of one metric, and the steps they were logged at."""

    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.values)

    def recent(self, count: int = RECENT) -> list[float]:
        return self.values[-count:]

    def now(self, count: int = RECENT) -> float:
        """The median of the newest values."""
        return statistics.median(self.recent(count))

    def change(self, base: int = BASE, recent: int = RECENT) -> Change | None:
        """Compare the first values with the newest; None while there are too few for both."""
        if len(self) < base + recent:
            return None
        before, now = statistics.median(self.values[:base]), self.now(recent)
        error = MEDIAN_COST * noise(self.values[-TAIL:]) * math.sqrt(1 / base + 1 / recent)
        floor = 1e-9 * max(abs(before), abs(now), 1e-9)  # a series without any noise
        return Change(before, now, max(error, floor))

    def since(self, level: float, *, above: bool) -> int:
        """The first step from which on the series, smoothed by three, has kept to one side of `level`."""
        start = len(self) - 1
        for place in range(len(self) - 1, -1, -1):
            value = statistics.median(self.values[place - 1 : place + 2] if place else self.values[:1])
            if (value > level) != above:
                break
            start = place
        return self.steps[start]


def noise(values: Sequence[float]) -> float:
    """The standard deviation of values about their trend; 0 for fewer than two."""
    steps = [abs(b - a) for a, b in itertools.pairwise(values)]
    if not steps:
        return 0.0
    # Most neighbours may be equal, as with rewards that come seldom: the median then knows of no noise.
    return (1.4826 * statistics.median(steps) or math.hypot(*steps) / math.sqrt(len(steps))) / math.sqrt(2)


class History:
    """Rows of metrics, gathered by name as they come in."""

    def __init__(self) -> None:
        self._series: dict[str, Series] = {}
        self.lost: dict[str, list[int]] = {}  # by metric, the steps at which it was NaN or infinite

    def add(self, row: Mapping[str, Any]) -> None:
        """Take a row of metrics.jsonl; leave out values that are not numbers, and note those not finite.

        An undefined statistic is null. A loss is never undefined: some toolkits write its NaN as null. A step
        that was skipped moved nothing, so its numbers that are not finite are no sign of how training goes.
        """
        step, skipped = int(row["step"]), SKIPPED in row
        for name, value in row.items():
            if value is None and name in ALWAYS_DEFINED:
                value = math.nan
            if skipped and isinstance(value, float) and not math.isfinite(value):
                continue
            if not isinstance(value, int | float) or isinstance(value, bool):
                continue
            if not math.isfinite(value):
                self.lost.setdefault(name, []).append(step)
                continue
            series = self._series.setdefault(name, Series())
            series.steps.append(step)
            series.values.append(float(value))

    def of(self, name: str) -> Series:
        """Return the series of one metric; it is empty where the metric was never logged."""
        return self._series.get(name) or Series()

    def names(self) -> list[str]:
        return list(self._series)
