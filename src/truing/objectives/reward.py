"""Bind a reward loss to a model with a score head: batch -> one score per response -> tallies.

`supplies` as in `objectives.py`: what a loss may ask for, made of a batch and the scores of its responses.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from truing.data.packing import PackedBatch
from truing.losses.preference import Pair
from truing.models.reward import RewardScorer
from truing.objectives.binding import Hyper, Loss, Makers, supply
from truing.training.step import Objective, Outcome, Tally, Unit


@dataclass(frozen=True)
class _RewardObjective:
    supplies: ClassVar[Makers]

    scorer: RewardScorer
    loss: Loss
    hyper: Mapping[str, Hyper]

    def prepare(self, passes: Sequence[PackedBatch]) -> tuple[Objective, Sequence[PackedBatch]]:
        return self, passes  # pyright: ignore[reportReturnType]  # every subclass is an Objective

    def losses(self, batch: PackedBatch, scores: Tensor) -> Tensor:
        return self.loss(**supply(self.loss, self.supplies, batch, scores), **self.hyper)


def _sides(scores: Tensor) -> Pair:
    return Pair(scores[0::2], scores[1::2])


def _groups(batch: PackedBatch) -> Tensor:
    """Which prompt each response answers, [B] int64."""
    sizes = torch.tensor(batch.sizes, device=batch.labels.device)
    return torch.arange(len(sizes), device=sizes.device).repeat_interleave(sizes)


class RewardPairObjective(_RewardObjective):
    """The chosen response is to score above the rejected one, by the row's margin where it has one."""

    supplies: ClassVar[Makers] = {
        "scores": lambda batch, scores: _sides(scores),
        "margin": lambda batch, scores: batch.labels[0::2],
    }

    def count(self, batch: PackedBatch) -> Counter[Unit]:
        return Counter({"pair": batch.branches // 2})

    def __call__(self, batch: PackedBatch) -> Outcome:
        scores = self.scorer(batch)
        return Outcome([Tally(self.losses(batch, scores), "pair")], pair_metrics(_sides(scores)))


def _right(gap: Tensor) -> Tensor:
    """1 where the better response leads, 1/2 at a tie, 0 behind."""
    return (gap > 0).float() + 0.5 * (gap == 0).float()


def pair_metrics(scores: Pair) -> dict[str, Tally]:
    """What is logged of pairs of scores."""
    return {
        "accuracy": Tally(_right(scores.gap), "pair"),
        "margin": Tally(scores.gap, "pair"),
        "score/chosen": Tally(scores.chosen, "pair"),
        "score/rejected": Tally(scores.rejected, "pair"),
    }


class RankingObjective(_RewardObjective):
    """The responses of a prompt are to score in the order the row gives."""

    supplies: ClassVar[Makers] = {
        "scores": lambda batch, scores: scores,
        "ranks": lambda batch, scores: batch.labels,
        "group": lambda batch, scores: _groups(batch),
    }

    def _better(self, batch: PackedBatch) -> Tensor:
        """Which response is to score above which, [B, B] bool."""
        group = _groups(batch)
        return (group[:, None] == group) & (batch.labels[:, None] < batch.labels)

    def count(self, batch: PackedBatch) -> Counter[Unit]:
        pairs = int(self._better(batch).sum())
        return Counter({"prompt": len(batch.sizes), "response": batch.branches, "pair": pairs})

    def __call__(self, batch: PackedBatch) -> Outcome:
        scores = self.scorer(batch)
        gaps = (scores[:, None] - scores)[self._better(batch)]
        return Outcome(
            [Tally(self.losses(batch, scores), "prompt")],
            {"score": Tally(scores, "response"), "accuracy": Tally(_right(gaps), "pair")},
        )


class RegressionObjective(_RewardObjective):
    """Each response is to score what the row says."""

    supplies: ClassVar[Makers] = {
        "scores": lambda batch, scores: scores,
        "target": lambda batch, scores: batch.labels,
    }

    def count(self, batch: PackedBatch) -> Counter[Unit]:
        return Counter({"response": batch.branches})

    def __call__(self, batch: PackedBatch) -> Outcome:
        scores = self.scorer(batch)
        losses = Tally(self.losses(batch, scores), "response")
        return Outcome([losses], {"score": Tally(scores, "response")})
