"""Bind a policy-gradient loss to a policy: what was sampled, what credit it got, what is minimised.

An `Experience` holds one step's trees and, for each, one number per scored token. The objective looks its
passes up there by their items, as a cached reference does, so that passes are cut freely.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from truing.data.packing import PackedBatch
from truing.data.trees import Tree
from truing.losses.importance import ratio_stats, token_log_ratio
from truing.losses.kl import k3
from truing.losses.policy_gradient import sampled_entropy
from truing.methods.binding import Makers, supply
from truing.methods.objectives import Prepared
from truing.methods.online import ChosenOnline
from truing.models.scoring import Scorer
from truing.train.step import Outcome, Tally, Totals, Unit

PerTree = Mapping[int, Tensor]  # item to [n] f32, the scored tokens of all branches in order


@dataclass(frozen=True)
class Experience:
    """What a step learns from, by the number its prompt has among the rows."""

    trees: Mapping[int, Tree]
    advantages: PerTree
    old: PerTree | None = None  # log-probabilities before the step's first update; None: at the update itself
    reference: PerTree | None = None

    @staticmethod
    def of(batch: PackedBatch, values: PerTree) -> Tensor:
        """The numbers of a pass, [N]."""
        return torch.cat([values[item] for item in batch.items]).to(batch.target.device)


@dataclass(frozen=True)
class PolicyObjective:
    """The loss of a pass of sampled responses, and the KL and entropy terms beside it."""

    supplies: ClassVar[Makers] = {
        "logps": lambda self, batch, logps: logps,
        "old_logps": lambda self, batch, logps: self.old(batch, logps),
        "advantages": lambda self, batch, logps: Experience.of(batch, self.experience.advantages),
        "response": lambda self, batch, logps: batch.response,
    }

    scorer: Scorer
    chosen: ChosenOnline
    experience: Experience

    def prepare(self, passes: Sequence[PackedBatch]) -> Prepared:
        return self, passes

    def count(self, batch: PackedBatch) -> Totals:
        units: Counter[Unit] = Counter({"token": len(batch.target), "response": batch.branches})
        units["prompt"] = len(batch.items)
        return units

    def old(self, batch: PackedBatch, logps: Tensor) -> Tensor:
        known = self.experience.old
        return logps.detach() if known is None else Experience.of(batch, known)

    def __call__(self, batch: PackedBatch) -> Outcome:
        chosen, logps = self.chosen, self.scorer(batch).logps
        old = self.old(batch, logps)
        losses = chosen.loss(**supply(chosen.loss.function, self.supplies, self, batch, logps))
        metrics = self._metrics(batch, logps, old)
        if self.experience.reference is not None:
            ref = Experience.of(batch, self.experience.reference)
            if chosen.kl_in == "loss":
                losses = losses + chosen.kl_weight * chosen.kl(logps=logps, ref_logps=ref, old_logps=old)
            metrics["kl"] = Tally(k3(logps, ref).detach(), "token")
        if chosen.entropy_weight:
            losses = losses - chosen.entropy_weight * sampled_entropy(logps)
        sizes = torch.tensor(batch.sizes, device=logps.device)
        group = torch.arange(len(sizes), device=logps.device).repeat_interleave(sizes)
        weights = chosen.aggregation(response=batch.response, group=group, max_length=chosen.max_length)
        return Outcome([Tally(weights * losses, chosen.unit)], metrics)

    def _metrics(self, batch: PackedBatch, logps: Tensor, old: Tensor) -> dict[str, Tally]:
        hyper = self.chosen.loss.hyper
        clip = {key: float(hyper[key]) for key in ("low", "high") if key in hyper}  # pyright: ignore[reportArgumentType]
        advantages = Experience.of(batch, self.experience.advantages)
        stats = ratio_stats(token_log_ratio(logps.detach(), old), advantages, **clip)
        return {
            "entropy": Tally(-logps.detach(), "token"),  # its estimate from the tokens that were sampled
            "ratio": Tally(stats.ratio, "token"),
            "clip_ratio/low": Tally(stats.clipped_low, "token"),
            "clip_ratio/high": Tally(stats.clipped_high, "token"),
            "approx_kl": Tally(stats.kl, "token"),
        }
