"""How well a reward model orders responses: scores of records, and what they say together.

    records, trees -> `score_records` -> one `ScoredRecord` each -> `summarise` -> `RewardSummary`

A pair is two responses of one row of which the row calls one better; a row of K ranked responses has up to
K (K - 1) / 2. Pairs of one row are not independent, so that the interval of K-wise rows is too narrow.
To add a number: a field of `RewardSummary`, its value in `summarise`, its words in `lines`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch

from truing.core.errors import ModelError
from truing.core.records import Kind, Record
from truing.data.packing import LAYOUTS, split_into_passes
from truing.data.trees import Tree
from truing.evals.intervals import Interval, wilson
from truing.evals.report_records import interval_text, value_text
from truing.evals.report_text import plain
from truing.losses.calibration import (
    Histogram,
    accuracy,
    expected_calibration_error,
    margin_histogram,
    pearson,
    spearman,
)
from truing.models.reward import RewardScorer
from truing.models.scoring import without_dropout

BINS = 10
BAR = 30  # characters of the longest bar


@dataclass(frozen=True, slots=True)
class ScoredRecord:
    """A record and the reward model's score of each of its responses, with their lengths in tokens."""

    record: Record
    scores: tuple[float, ...]
    lengths: tuple[int, ...]

    @property
    def margins(self) -> list[float]:
        """Score of the better response less that of the worse, for every pair of the row."""
        ranks = ranks_of(self.record)
        places = range(len(ranks))
        return [self.scores[i] - self.scores[j] for i in places for j in places if ranks[i] < ranks[j]]


@dataclass(frozen=True, slots=True)
class Correlation:
    """How two numbers go together; None where one of them does not vary."""

    pearson: float | None
    spearman: float | None


@dataclass(frozen=True, slots=True)
class RewardSummary:
    """What the scores of some rows say of their reward model. None where the rows cannot tell."""

    rows: int
    responses: int
    mean_score: float
    pairs: int
    accuracy: Interval | None  # Wilson, 95 %; a tie counts one half
    ties: int
    mean_margin: float | None
    ece: float | None
    margin_histogram: Histogram
    length: Correlation  # of score and tokens of the response
    row_score: Correlation | None  # of score and the row's own, where two responses or more carry one
    categories: Mapping[str, Interval]  # accuracy

    def as_json(self) -> dict[str, object]:
        found = asdict(self)
        counts, edges = self.margin_histogram
        found["margin_histogram"] = {"counts": counts.tolist(), "edges": edges.tolist()}
        return found

    def headline(self) -> str:
        """One line: what a run says of its held-out rows."""
        parts = [f"{self.responses} responses of {self.rows} rows", f"mean score {self.mean_score:.3g}"]
        if self.accuracy is not None:
            parts.insert(1, f"accuracy {_percent(self.accuracy)}")
        elif self.row_score is not None:
            parts.insert(1, f"score and the row's own: {_words(self.row_score)}")
        return ", ".join(parts)

    def lines(self) -> list[str]:
        """All of it for people."""
        found = [self.headline()]
        if self.accuracy is not None:
            assert self.mean_margin is not None and self.ece is not None
            told = f"{self.pairs} pairs, {self.ties} ties, mean margin {self.mean_margin:.3g}"
            found.append(f"{told}, calibration error (ECE) {self.ece:.3f}")
            found += _bars(self.margin_histogram)
        found += [f"{plain(name)}: {_percent(of)}" for name, of in self.categories.items()]
        found.append(f"score and length: {_words(self.length)}")
        if self.row_score is not None and self.accuracy is not None:
            found.append(f"score and the row's own: {_words(self.row_score)}")
        return found


def ranks_of(record: Record) -> list[int]:
    """How good each response is among those of its row, 0 the best; empty where the row does not say.

    Responses that carry no rank are listed best first.
    """
    if record.kind not in (Kind.PREFERENCE, Kind.RANKING):
        return []
    return [
        place if response.rank is None else response.rank for place, response in enumerate(record.responses)
    ]


@torch.no_grad()
def score_records(
    scorer: RewardScorer,
    records: Sequence[Record],
    trees: Sequence[Tree],  # of the records
    tokens_per_pass: int,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[ScoredRecord]:
    """Every response scored, in passes of the scorer's layout. A score that is no number is a ModelError."""
    found: dict[int, ScoredRecord] = {}
    with without_dropout(scorer):
        for group in split_into_passes(trees, tokens_per_pass, scorer.layout):
            batch = LAYOUTS[scorer.layout]([trees[i] for i in group], group).to(scorer.device)
            for i, scores in zip(group, scorer(batch).cpu().split(batch.sizes), strict=True):
                lengths = tuple(len(branch) for branch in trees[i].branches)
                found[i] = ScoredRecord(records[i], _numbers(scores.tolist(), records[i]), lengths)
            on_progress(len(found))
    return [found[i] for i in range(len(records))]


def _numbers(scores: list[float], record: Record) -> tuple[float, ...]:
    if not all(map(math.isfinite, scores)):
        raise ModelError(
            f"{record.place}: the reward model gives {scores}, and a score is a finite number",
            hint="its weights are damaged, or too large for their number format",
        )
    return tuple(scores)


def summarise(scored: Sequence[ScoredRecord]) -> RewardSummary:
    """The numbers of a reward model on rows it was not trained on; at least one row."""
    scores = np.array([score for row in scored for score in row.scores])
    lengths = np.array([length for row in scored for length in row.lengths], dtype=float)
    own = [response.score for row in scored for response in row.record.responses]
    known = np.array([score is not None for score in own])
    margins = np.array([margin for row in scored for margin in row.margins])
    by_category: dict[str, list[float]] = {}
    for row in scored:
        if row.record.category is not None and row.margins:
            by_category.setdefault(row.record.category, []).extend(row.margins)
    return RewardSummary(
        rows=len(scored),
        responses=len(scores),
        mean_score=float(scores.mean()),
        pairs=len(margins),
        accuracy=_accuracy(margins) if len(margins) else None,
        ties=int((margins == 0).sum()),
        mean_margin=float(margins.mean()) if len(margins) else None,
        ece=expected_calibration_error(margins),
        margin_histogram=margin_histogram(margins, BINS),
        length=_correlation(scores, lengths),
        row_score=(
            _correlation(scores[known], np.array([score for score in own if score is not None]))
            if known.sum() > 1
            else None
        ),
        categories={name: _accuracy(np.array(by_category[name])) for name in sorted(by_category)},
    )


def _accuracy(margins: np.ndarray) -> Interval:
    share = accuracy(margins)
    assert share is not None
    return wilson(share * len(margins), len(margins))


def _correlation(x: np.ndarray, y: np.ndarray) -> Correlation:
    return Correlation(pearson(x, y), spearman(x, y))


def _percent(interval: Interval) -> str:
    return f"{value_text(interval.estimate, '%')} ({interval_text(interval, '%')})"


def _words(found: Correlation) -> str:
    if found.pearson is None or found.spearman is None:
        return "no correlation, one of them does not vary"
    return f"Pearson {found.pearson:.2f}, Spearman {found.spearman:.2f}"


def _bars(histogram: Histogram) -> list[str]:
    """One line per bin of margins, its left edge before the bar and its count behind."""
    most = max(int(histogram.counts.max()), 1)
    return [
        f"{edge:+8.2f} {'█' * math.ceil(BAR * count / most)} {count}"
        for edge, count in zip(histogram.edges, histogram.counts, strict=False)
    ]
