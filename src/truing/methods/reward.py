"""Bind a reward loss to a model with a score head: batch -> one score per response -> tallies."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from truing.data.packing import PackedBatch
from truing.losses.preference import Pair
from truing.methods.binding import Hyper, Loss
from truing.models.reward import RewardScorer
from truing.train.step import Objective, Outcome, Tally, Unit


@dataclass(frozen=True)
class _RewardObjective:
    scorer: RewardScorer
    loss: Loss
    hyper: Mapping[str, Hyper]

    def prepare(self, passes: Sequence[PackedBatch]) -> tuple[Objective, Sequence[PackedBatch]]:
        return self, passes  # pyright: ignore[reportReturnType]  # every subclass is an Objective


class RewardPairObjective(_RewardObjective):
    """The chosen response is to score above the rejected one, by the row's margin where it has one."""

    def count(self, batch: PackedBatch) -> Counter[Unit]:
        return Counter({"pair": batch.branches // 2})

    def __call__(self, batch: PackedBatch) -> Outcome:
        values = self.scorer(batch)
        scores = Pair(values[0::2], values[1::2])
        losses = self.loss(scores, batch.labels[0::2], **self.hyper)
        return Outcome([Tally(losses, "pair")], pair_metrics(scores))


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

    def _groups(self, batch: PackedBatch) -> Tensor:
        sizes = torch.tensor(batch.sizes, device=batch.labels.device)
        return torch.arange(len(sizes), device=sizes.device).repeat_interleave(sizes)

    def _better(self, batch: PackedBatch) -> Tensor:
        """Which response is to score above which, [B, B] bool."""
        group = self._groups(batch)
        return (group[:, None] == group) & (batch.labels[:, None] < batch.labels)

    def count(self, batch: PackedBatch) -> Counter[Unit]:
        pairs = int(self._better(batch).sum())
        return Counter({"prompt": len(batch.sizes), "response": batch.branches, "pair": pairs})

    def __call__(self, batch: PackedBatch) -> Outcome:
        scores = self.scorer(batch)
        losses = self.loss(scores, batch.labels, self._groups(batch), **self.hyper)
        gaps = (scores[:, None] - scores)[self._better(batch)]
        return Outcome(
            [Tally(losses, "prompt")],
            {"score": Tally(scores, "response"), "accuracy": Tally(_right(gaps), "pair")},
        )


class RegressionObjective(_RewardObjective):
    """Each response is to score what the row says."""

    def count(self, batch: PackedBatch) -> Counter[Unit]:
        return Counter({"response": batch.branches})

    def __call__(self, batch: PackedBatch) -> Outcome:
        scores = self.scorer(batch)
        losses = self.loss(scores, batch.labels, **self.hyper)
        return Outcome([Tally(losses, "response")], {"score": Tally(scores, "response")})
