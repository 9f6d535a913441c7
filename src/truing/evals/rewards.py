"""How well a reward model orders responses: scores of records, and what they say together.

    records, trees -> `score_records` -> one `ScoredRecord` each -> `summarise` -> `RewardSummary`

A pair is two responses of one row of which the row calls one better; a row of K ranked responses has up to
K (K - 1) / 2. Pairs of one row are not independent, so that the interval of K-wise rows is too narrow.
`RewardSummary` says how to add a number.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from truing.core.errors import ModelError
from truing.core.messages import message
from truing.core.records import Kind, Record
from truing.data.trees import Tree
from truing.evals.reward_summary import Bin, Correlation, MarginBars, RewardSummary
from truing.models.passes import numbers_of
from truing.models.reward import RewardScorer
from truing.models.room import Overfull
from truing.models.scoring import without_dropout
from truing.stats.calibration import (
    accuracy,
    expected_calibration_error,
    margin_histogram,
    pearson,
    reliability,
    spearman,
)
from truing.stats.intervals import Interval, wilson

BARS = 20


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
    with without_dropout(scorer):
        try:
            found = numbers_of(
                dict(enumerate(trees)),
                scorer,
                tokens_per_pass,
                lambda batch: scorer(batch).cpu(),
                lambda done, total: on_progress(done),
            )
        except Overfull as error:
            raise error.at([record.place for record in records]) from error
    return [
        ScoredRecord(record, _numbers(found[i].tolist(), record), tuple(map(len, trees[i].branches)))
        for i, record in enumerate(records)
    ]


def _numbers(scores: list[float], record: Record) -> tuple[float, ...]:
    if not all(map(math.isfinite, scores)):
        said = "{place}: the reward model gives {scores}, and a score is a finite number"
        raise ModelError(
            message(said, place=record.place, scores=scores),
            hint=message("its weights are damaged, or too large for their number format"),
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
        reliability=_reliability(margins),
        margin_histogram=_bars(margins),
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


def _reliability(margins: np.ndarray) -> tuple[Bin, ...]:
    return tuple(
        Bin(float(confidence), wilson(float(share * count), int(count)))
        for count, confidence, share in zip(*reliability(margins), strict=True)
    )


def _bars(margins: np.ndarray) -> MarginBars:
    counts, edges = margin_histogram(margins, BARS)
    return MarginBars(tuple(counts.tolist()), tuple(edges.tolist()))


def _correlation(x: np.ndarray, y: np.ndarray) -> Correlation:
    return Correlation(pearson(x, y), spearman(x, y))
