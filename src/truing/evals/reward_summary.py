"""A reward model on held-out rows: the record that `reward.json` holds, and its words.

The module imports no torch, so that a run's report opens at once; `rewards.py` makes the record. To add a
number: a field of `RewardSummary`, its value in `rewards.summarise`, its words in `lines` and in
`templates/reward.html.j2`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import FiniteFloat, TypeAdapter, ValidationError

from truing.core.errors import DataError
from truing.core.messages import Sentence, joined, message
from truing.stats.intervals import Interval
from truing.stats.told import interval_text, value_text
from truing.text.shown import plain

BAR = 30  # characters of the longest bar


@dataclass(frozen=True, slots=True)
class Correlation:
    """The correlation of two numbers; None where one number does not vary."""

    pearson: FiniteFloat | None
    spearman: FiniteFloat | None

    def told(self, template: str) -> Sentence:
        """Return the sentence with both coefficients, or why there are none, in place of `{found}`."""
        if self.pearson is None or self.spearman is None:
            return message(template, found=message("no correlation, one of them does not vary"))
        both = "Pearson {pearson:.2f}, Spearman {spearman:.2f}"
        return message(template, found=message(both, pearson=self.pearson, spearman=self.spearman))


@dataclass(frozen=True, slots=True)
class Bin:
    """A bin of pairs of about equal confidence: their mean confidence, and the share that is right."""

    confidence: FiniteFloat
    accuracy: Interval


@dataclass(frozen=True, slots=True)
class MarginBars:
    """A histogram of margins: the count between each edge and the next."""

    counts: Sequence[int]
    edges: Sequence[FiniteFloat]  # rising, symmetric about 0, which is one of them

    def __post_init__(self) -> None:
        if len(self.edges) != len(self.counts) + 1 or len(self.counts) % 2:
            raise ValueError(f"{len(self.edges)} edges do not enclose {len(self.counts)} bars about 0")

    def lines(self) -> list[str]:
        """Return one line per two bars: the left edge, a bar, the count."""
        counts = [sum(self.counts[place : place + 2]) for place in range(0, len(self.counts), 2)]
        most = max(*counts, 1)
        return [
            f"{edge:+8.2f} {'█' * math.ceil(BAR * count / most)} {count}"
            for edge, count in zip(self.edges[::2], counts, strict=False)
        ]


@dataclass(frozen=True, slots=True)
class RewardSummary:
    """The quality of a reward model on some rows. A field is None where the rows cannot show it."""

    rows: int
    responses: int
    mean_score: FiniteFloat
    pairs: int
    accuracy: Interval | None  # Wilson, 95 %; a tie counts one half
    ties: int
    mean_margin: FiniteFloat | None
    ece: FiniteFloat | None
    reliability: Sequence[Bin]  # the bins behind the ECE, without empty ones
    margin_histogram: MarginBars
    length: Correlation  # of score and tokens of the response
    row_score: Correlation | None  # of score and the row's own score, for two responses or more with one
    categories: Mapping[str, Interval]  # accuracy
    step: int | None = None  # after which a run had the weights that scored

    def __post_init__(self) -> None:
        numbers = (self.accuracy, self.mean_margin, self.ece)
        known = {bool(self.reliability), *(number is not None for number in numbers)}
        if known != {self.pairs > 0}:
            told = "accuracy, mean_margin, ece and reliability are of pairs"
            raise ValueError(f"{told}, and {self.pairs} pairs are given")

    @classmethod
    def read(cls, path: Path) -> "RewardSummary":
        """Read the summary that a run's `reward.json` holds."""
        try:
            return _SUMMARY.validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or message("the file")
            said = "{path} is no summary of a reward model: {place}: {why}"
            raise DataError(
                message(said, path=path, place=place, why=first["msg"]),
                hint=message("the run's own `truing train` command writes it anew"),
            ) from error

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def headline(self) -> Sentence:
        """Return one line on the held-out rows of a run."""
        parts = [
            message("{responses} responses of {rows} rows", responses=self.responses, rows=self.rows),
            message("mean score {score:.3g}", score=self.mean_score),
        ]
        if self.accuracy is not None:
            parts.insert(1, message("accuracy {share}", share=percent(self.accuracy)))
        elif self.row_score is not None:
            parts.insert(1, self.row_score.told("score and the row's own: {found}"))
        return joined(", ", parts)

    def lines(self) -> list[str]:
        """Return the whole summary as lines for people."""
        found: list[str] = [self.headline()]
        if self.accuracy is not None:
            said = "{pairs} pairs, {ties} ties, mean margin {margin:.3g}, calibration error (ECE) {ece:.3f}"
            numbers = {"pairs": self.pairs, "ties": self.ties, "margin": self.mean_margin, "ece": self.ece}
            found.append(message(said, **numbers))
            sure = "{confidence:.0%} sure, right {share}"
            found += [
                message(sure, confidence=of.confidence, share=percent(of.accuracy)) for of in self.reliability
            ]
            found += self.margin_histogram.lines()
        found += [f"{plain(name)}: {percent(of)}" for name, of in self.categories.items()]
        found.append(self.length.told("score and length: {found}"))
        if self.row_score is not None and self.accuracy is not None:
            found.append(self.row_score.told("score and the row's own: {found}"))
        return found

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a run logs for its held-out rows."""
        values = {
            "accuracy": self.accuracy and self.accuracy.estimate,
            "margin": self.mean_margin,
            "ece": self.ece,
            "length_correlation": self.length.pearson,
        }
        return {name: value for name, value in values.items() if value is not None}


def percent(interval: Interval) -> str:
    """Return a share with its interval and count: "75.0% (36.5% to 94.0%, n 6)"."""
    return f"{value_text(interval.estimate, '%')} ({interval_text(interval, '%')})"


_SUMMARY = TypeAdapter(RewardSummary)
