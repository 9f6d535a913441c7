"""Records of the page of several runs: every record holds its values in the order of the runs.

A run here is the content of one folder on the command line: a training run, an evaluation, or both. `columns`
are the places of a table's runs; a run keeps its place, its name and its colour everywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from truing.stats.intervals import Interval

MOST = 8  # runs on one page: as many colours as can be told apart
ALPHA = 0.05  # of Holm's test over all numbers of a page


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run in words."""

    name: str
    path: str
    trained: str  # empty where the folder holds no training run
    evaluated: str  # empty where it holds no evaluation


@dataclass(frozen=True, slots=True)
class DifferenceTable:
    """The keys in which runs differ. `same` counts the keys in which runs agree."""

    title: str
    columns: Sequence[int]
    rows: Mapping[str, Sequence[str]]  # by key, one value a column
    same: int


@dataclass(frozen=True, slots=True)
class LastValues:
    """The last value of every metric drawn; None for a run without the metric."""

    columns: Sequence[int]
    rows: Mapping[str, Sequence[float | None]]  # by metric


@dataclass(frozen=True, slots=True)
class Point:
    """A policy after a step: its KL and its reward."""

    step: int
    kl: float  # nats per token
    reward: float


@dataclass(frozen=True, slots=True)
class Frontier:
    """The KL and the reward of each run, step by step; a run that logs only one of the two has no points."""

    held_out: bool  # True: rewards of held-out prompts; False: of training prompts
    same_rewards: bool  # whether all of them were trained on the same reward
    paths: Sequence[Sequence[Point]]

    @property
    def columns(self) -> list[int]:
        """The places of the runs that have points."""
        return [place for place, path in enumerate(self.paths) if path]


@dataclass(frozen=True, slots=True)
class NumberChange:
    """The change of a number from the first run to the second.

    `paired` is second - first over the responses of both runs; its `n` counts those responses.
    """

    gap: float | None = None
    paired: Interval | None = None
    p: float | None = None  # of "nothing changed", two-sided
    adjusted: float | None = None  # the same after Holm, over all numbers of the page
    better: Literal["higher", "lower", "near"] = "higher"
    said: str = ""  # in place of a verdict, without a test

    @property
    def verdict(self) -> Literal["better", "worse", "changed", "may be chance", ""]:
        """Empty where nothing was tested."""
        if self.adjusted is None or self.gap is None:
            return ""
        if self.adjusted >= ALPHA:
            return "may be chance"
        if self.better == "near":
            return "changed"
        return "better" if (self.gap > 0) == (self.better == "higher") else "worse"


@dataclass(frozen=True, slots=True)
class Cell:
    """A number of one run."""

    interval: Interval | None  # None where every value is missing
    missing: int


@dataclass(frozen=True, slots=True)
class NumberRow:
    """A number of every run that measured it; `change` only where two runs are compared."""

    name: str
    title: str
    unit: str
    cells: Sequence[Cell | None]
    change: NumberChange | None
    items: str  # the task of the number's responses, if the page shows them


@dataclass(frozen=True, slots=True)
class PartTable:
    """A number by category or language."""

    title: str
    unit: str
    rows: Mapping[str, Sequence[Interval | None]]


@dataclass(frozen=True, slots=True)
class Box:
    """The distribution of a run's values: the median, the middle half, and nine in ten."""

    low: float  # 5 % lie below
    first: float  # 25 %
    median: float
    third: float  # 75 %
    high: float  # 95 %
    n: int


@dataclass(frozen=True, slots=True)
class Spread:
    """The distribution of one value of responses, in every run."""

    title: str
    boxes: Sequence[Box | None]  # one a run


@dataclass(frozen=True, slots=True)
class RunComparison:
    """The content of the page beside the responses; an empty field is left out."""

    runs: Sequence[RunLine]
    differences: Sequence[DifferenceTable] = ()
    metrics: Sequence[Sequence[Mapping[str, Any]]] = ()  # rows of metrics.jsonl, by run; empty: none
    ends: LastValues | None = None
    frontier: Frontier | None = None
    evaluated: Sequence[int] = ()  # the columns of `numbers` and `parts`
    numbers: Sequence[NumberRow] = ()
    parts: Sequence[PartTable] = ()
    spreads: Sequence[Spread] = ()
    notes: Sequence[str] = ()  # about the evaluations

    @property
    def tested(self) -> list[NumberChange]:
        """The changes that have a p."""
        return [row.change for row in self.numbers if row.change is not None and row.change.p is not None]
