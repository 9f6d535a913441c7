"""Bind a reward loss to a model with a score head: batch -> one score per response -> tallies.

What a loss may ask for are the methods of the record before its objective, as in `offline.py`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from truing.data.packing import PackedBatch
from truing.losses.preference import Pair
from truing.models.reward import RewardScorer
from truing.objectives.binding import Hyper, Loss, supply
from truing.objectives.offline import ObjectiveParts
from truing.training.step import Objective, Outcome, Tally, Unit


@dataclass(frozen=True)
class _RewardObjective:
    supplies: ClassVar[type]
    couples: ClassVar[bool] = False

    scorer: RewardScorer
    loss: Loss
    hyper: Mapping[str, Hyper]

    @classmethod
    def of(cls, asked: ObjectiveParts) -> Self:
        return cls(asked.scorer, asked.loss, asked.hyper)

    def prepare(self, passes: Sequence[PackedBatch]) -> tuple[Objective, Sequence[PackedBatch]]:
        return self, passes  # pyright: ignore[reportReturnType]  # every subclass is an Objective

    def losses(self, batch: PackedBatch, scores: Tensor) -> Tensor:
        return self.loss(**supply(self.loss, self.supplies(batch, scores)), **self.hyper)


def _sides(scores: Tensor) -> Pair:
    return Pair(scores[0::2], scores[1::2])


def _groups(batch: PackedBatch) -> Tensor:
    """Which prompt each response answers, [B] int64."""
    sizes = torch.tensor(batch.sizes, device=batch.labels.device)
    return torch.arange(len(sizes), device=sizes.device).repeat_interleave(sizes)


@dataclass(frozen=True)
class ScoredPairSupplies:
    """What a loss on scored pairs may ask for."""

    batch: PackedBatch
    values: Tensor  # [2B] f32, chosen and rejected in turn

    def scores(self) -> Pair:
        return _sides(self.values)

    def margin(self) -> Tensor:
        """By how much a row prefers its chosen response, [B]; 0 where it does not say."""
        return self.batch.labels[0::2]


class RewardPairObjective(_RewardObjective):
    """The chosen response is to score above the rejected one, by the row's margin where it has one."""

    supplies: ClassVar[type] = ScoredPairSupplies

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


@dataclass(frozen=True)
class RankingSupplies:
    """What a loss on rankings may ask for, [B] each."""

    batch: PackedBatch
    values: Tensor

    def scores(self) -> Tensor:
        return self.values

    def ranks(self) -> Tensor:
        """0 is the best."""
        return self.batch.labels

    def group(self) -> Tensor:
        return _groups(self.batch)


class RankingObjective(_RewardObjective):
    """The responses of a prompt are to score in the order the row gives."""

    supplies: ClassVar[type] = RankingSupplies

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


@dataclass(frozen=True)
class TargetSupplies:
    """What a loss on scored responses may ask for, [B] each."""

    batch: PackedBatch
    values: Tensor

    def scores(self) -> Tensor:
        return self.values

    def target(self) -> Tensor:
        """The score that the row gives."""
        return self.batch.labels


class RegressionObjective(_RewardObjective):
    """Each response is to score what the row says."""

    supplies: ClassVar[type] = TargetSupplies

    def count(self, batch: PackedBatch) -> Counter[Unit]:
        return Counter({"response": batch.branches})

    def __call__(self, batch: PackedBatch) -> Outcome:
        scores = self.scorer(batch)
        losses = Tally(self.losses(batch, scores), "response")
        return Outcome([losses], {"score": Tally(scores, "response")})
