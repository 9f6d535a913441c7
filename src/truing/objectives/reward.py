"""Bind a reward loss to a model with a score head: batch -> one score per response -> tallies.

A loss may ask for any argument that a method of its objective's supplies is named after, as in `offline.py`.
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
from truing.objectives.offline import LossRequest
from truing.training.step import Objective, Outcome, Tally, Unit


@dataclass(frozen=True)
class _RewardObjective:
    supplies: ClassVar[type]
    couples: ClassVar[bool] = False

    scorer: RewardScorer
    loss: Loss
    hyper: Mapping[str, Hyper]

    @classmethod
    def of(cls, asked: LossRequest) -> Self:
        return cls(asked.scorer, asked.loss, asked.hyper)

    def prepare(self, passes: Sequence[PackedBatch]) -> tuple[Objective, Sequence[PackedBatch]]:
        return self, passes  # pyright: ignore[reportReturnType]  # every subclass is an Objective

    def losses(self, batch: PackedBatch, scores: Tensor) -> Tensor:
        return self.loss(**supply(self.loss, self.supplies(batch, scores)), **self.hyper)


def _sides(scores: Tensor) -> Pair:
    return Pair(scores[0::2], scores[1::2])


def _groups(batch: PackedBatch) -> Tensor:
    """Return the number of the prompt that each response answers, [B] int64."""
    sizes = torch.tensor(batch.sizes, device=batch.labels.device)
    return torch.arange(len(sizes), device=sizes.device).repeat_interleave(sizes)


@dataclass(frozen=True)
class ScoredPairSupplies:
    """The arguments of a loss on scored pairs."""

    batch: PackedBatch
    values: Tensor  # [2B] f32, chosen and rejected in turn

    def scores(self) -> Pair:
        return _sides(self.values)

    def margin(self) -> Tensor:
        """Return the margin by which each row prefers its chosen response, [B]; 0 where a row has none."""
        return self.batch.labels[0::2]

    def probability(self) -> Tensor:
        """Return the chance of each chosen response of being the better one, [B]; 1 where a row has none."""
        return 1 - self.batch.labels[1::2]


class RewardPairObjective(_RewardObjective):
    """The chosen response is to score above the rejected one, by the row's margin where it has one."""

    supplies: ClassVar[type] = ScoredPairSupplies

    def count(self, batch: PackedBatch) -> Counter[Unit]:
        return Counter({"pair": batch.branches // 2})

    def __call__(self, batch: PackedBatch) -> Outcome:
        scores = self.scorer(batch)
        return Outcome([Tally(self.losses(batch, scores), "pair")], pair_metrics(_sides(scores)))


def _right(gap: Tensor) -> Tensor:
    """Return 1 where the better response leads, 1/2 at a tie, 0 where it is behind."""
    return (gap > 0).float() + 0.5 * (gap == 0).float()


def pair_metrics(scores: Pair) -> dict[str, Tally]:
    """Return the metrics that are logged for pairs of scores."""
    return {
        "accuracy": Tally(_right(scores.gap), "pair"),
        "margin": Tally(scores.gap, "pair"),
        "score/chosen": Tally(scores.chosen, "pair"),
        "score/rejected": Tally(scores.rejected, "pair"),
    }


@dataclass(frozen=True)
class RankingSupplies:
    """The arguments of a loss on rankings, [B] each."""

    batch: PackedBatch
    values: Tensor

    def scores(self) -> Tensor:
        return self.values

    def ranks(self) -> Tensor:
        """Return the place of each response in its ranking; 0 is the best."""
        return self.batch.labels

    def group(self) -> Tensor:
        return _groups(self.batch)


class RankingObjective(_RewardObjective):
    """The responses of a prompt are to score in the order the row gives."""

    supplies: ClassVar[type] = RankingSupplies

    def _better(self, batch: PackedBatch) -> Tensor:
        """Return the pairs [B, B] bool in which the row's response is to score above the column's."""
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
    """The arguments of a loss on scored responses, [B] each."""

    batch: PackedBatch
    values: Tensor

    def scores(self) -> Tensor:
        return self.values

    def target(self) -> Tensor:
        """Return the score that the row gives each response."""
        return self.batch.labels


class RegressionObjective(_RewardObjective):
    """Each response is to get the score that its row gives."""

    supplies: ClassVar[type] = TargetSupplies

    def count(self, batch: PackedBatch) -> Counter[Unit]:
        return Counter({"response": batch.branches})

    def __call__(self, batch: PackedBatch) -> Outcome:
        scores = self.scorer(batch)
        losses = Tally(self.losses(batch, scores), "response")
        return Outcome([losses], {"score": Tally(scores, "response")})
