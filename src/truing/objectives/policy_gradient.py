"""Bind a policy-gradient loss to a policy, and a value loss to a critic.

An `Experience` holds one step's trees and, for each tree, one number per scored token. The objectives look up
the numbers of a pass by its items, as a cached reference does, so that passes may be cut anywhere.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from truing.data.packing import PackedBatch, Role
from truing.data.trees import Tree
from truing.losses.importance import ratio_stats, token_log_ratio
from truing.losses.kl import k3
from truing.losses.policy_gradient import sampled_entropy
from truing.models.critic import Critic
from truing.models.scoring import Scorer
from truing.objectives.binding import supply
from truing.objectives.choices import Bound, ChosenOnline
from truing.objectives.offline import Prepared
from truing.training.step import Objective, Outcome, Tally, Totals, Unit

PerTree = Mapping[int, Tensor]  # item to [n] f32, the scored tokens of all branches in order


@dataclass(frozen=True)
class Experience:
    """The trees and numbers that a step learns from, by the number of the prompt among the rows."""

    trees: Mapping[int, Tree]
    advantages: PerTree
    old: PerTree | None = None  # log-probabilities before the step's first update; None: at the update itself
    reference: PerTree | None = None
    sampler: PerTree | None = None  # log-probabilities as the sampler reports them
    values: PerTree | None = None  # the critic's, before the step's first update
    returns: PerTree | None = None

    @staticmethod
    def of(batch: PackedBatch, values: PerTree | None) -> Tensor:
        """Return the numbers of a pass, [N]."""
        assert values is not None, "asked only where the method made them"
        return torch.cat([values[item] for item in batch.items]).to(batch.target.device)


@dataclass(frozen=True)
class PolicySupplies:
    """The arguments of a policy loss or of a correction, from one pass, [N] each."""

    objective: "PolicyObjective"
    batch: PackedBatch
    values: Tensor  # the policy's log-probabilities

    def logps(self) -> Tensor:
        return self.values

    def old_logps(self) -> Tensor:
        return self.objective.old(self.batch, self.values)

    def advantages(self) -> Tensor:
        return Experience.of(self.batch, self.objective.experience.advantages)

    def response(self) -> Tensor:
        """Return the number of the response that each token belongs to, int64."""
        return self.batch.response

    def sampler_logps(self) -> Tensor:
        return Experience.of(self.batch, self.objective.experience.sampler)


@dataclass(frozen=True)
class PolicyObjective:
    """The loss of a pass of sampled responses, and the KL and entropy terms beside it."""

    supplies: ClassVar[type] = PolicySupplies

    scorer: Scorer
    chosen: ChosenOnline
    experience: Experience
    kl_weight: float  # of this step

    def prepare(self, passes: Sequence[PackedBatch]) -> Prepared:
        return self, passes

    def count(self, batch: PackedBatch) -> Totals:
        units: Counter[Unit] = Counter({"token": len(batch.target), "response": batch.branches})
        units["prompt"] = len(batch.items)
        return units

    def old(self, batch: PackedBatch, logps: Tensor) -> Tensor:
        known = self.experience.old
        return logps.detach() if known is None else Experience.of(batch, known)

    def _called(self, bound: Bound, batch: PackedBatch, logps: Tensor) -> Tensor:
        return bound(**supply(bound.function, PolicySupplies(self, batch, logps)))

    def __call__(self, batch: PackedBatch) -> Outcome:
        chosen, logps = self.chosen, self.scorer(batch).logps
        settings, old = chosen.settings, self.old(batch, logps)
        losses = self._called(chosen.loss, batch, logps)
        metrics = self._metrics(batch, logps, old)
        if self.experience.sampler is not None:
            drawn = Experience.of(batch, self.experience.sampler)
            metrics["sampling/mismatch_kl"] = Tally(k3(drawn, old), "token")
        if chosen.correction is not None:
            weights = self._called(chosen.correction, batch, logps)
            losses = weights * losses
            gap = token_log_ratio(old, Experience.of(batch, self.experience.sampler))
            metrics["sampling/weight"] = Tally(weights, "token")
            metrics["sampling/logp_gap"] = Tally(gap.abs(), "token")
        metrics["loss/policy"] = Tally(self._weights(batch) * losses.detach(), chosen.unit)
        if self.experience.reference is not None:
            ref = Experience.of(batch, self.experience.reference)
            if settings.kl_in == "loss":
                losses = losses + self.kl_weight * chosen.kl(logps=logps, ref_logps=ref, old_logps=old)
            metrics["kl"] = Tally(k3(logps, ref).detach(), "token")
        if settings.entropy_weight:
            losses = losses - settings.entropy_weight * sampled_entropy(logps)
        return Outcome([Tally(self._weights(batch) * losses, chosen.unit)], metrics)

    def _weights(self, batch: PackedBatch) -> Tensor:
        sizes = torch.tensor(batch.sizes, device=batch.target.device)
        group = torch.arange(len(sizes), device=sizes.device).repeat_interleave(sizes)
        max_length = self.chosen.max_length
        return self.chosen.aggregation(response=batch.response, group=group, max_length=max_length)

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


@dataclass(frozen=True)
class ValueObjective:
    """The critic's loss: the distance of its values from the returns."""

    scorer: Critic
    loss: Bound
    weight: float
    experience: Experience

    def prepare(self, passes: Sequence[PackedBatch]) -> Prepared:
        return self, passes

    def count(self, batch: PackedBatch) -> Totals:
        return Counter({"value_token": len(batch.target)})

    def __call__(self, batch: PackedBatch) -> Outcome:
        values = self.scorer(batch)
        old, returns = (
            Experience.of(batch, one) for one in (self.experience.values, self.experience.returns)
        )
        losses = self.loss(values=values, old_values=old, returns=returns)
        told = {"loss/value": losses.detach(), "value/mean": values.detach()}
        metrics = {name: Tally(numbers, "value_token") for name, numbers in told.items()}
        return Outcome([Tally(self.weight * losses, "value_token")], metrics)


@dataclass(frozen=True)
class TextObjective:
    """The negative log-likelihood of text kept beside the reward: PPO-ptx, arXiv:2203.02155 eq. 2."""

    scorer: Scorer
    weight: float

    def prepare(self, passes: Sequence[PackedBatch]) -> Prepared:
        return self, passes

    def count(self, batch: PackedBatch) -> Totals:
        return Counter({"ptx_token": len(batch.target)})

    def __call__(self, batch: PackedBatch) -> Outcome:
        losses = -self.scorer(batch).logps
        tally = Tally(self.weight * losses, "ptx_token")
        return Outcome([tally], {"loss/ptx": Tally(losses.detach(), "ptx_token")})


@dataclass(frozen=True)
class ByRole:
    """Several objectives in one step, each on the passes of its role."""

    parts: Mapping[Role, Objective]

    @property
    def scorer(self) -> torch.nn.Module:
        return self.parts["learn"].scorer

    def prepare(self, passes: Sequence[PackedBatch]) -> Prepared:
        ready: dict[Role, Objective] = {}
        kept: list[PackedBatch] = []
        for role, part in self.parts.items():
            ready[role], own = part.prepare([batch for batch in passes if batch.role == role])
            kept += own
        return replace(self, parts=ready), kept

    def count(self, batch: PackedBatch) -> Totals:
        return self.parts[batch.role].count(batch)

    def __call__(self, batch: PackedBatch) -> Outcome:
        return self.parts[batch.role](batch)
