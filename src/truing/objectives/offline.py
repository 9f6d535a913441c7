"""Bind a pure loss to a policy: batch -> log-probabilities -> tallies.

Every pass of a step has a role:

    learn        rows to learn from
    whole        prompt and response as one text, for a likelihood term over both
    retain       rows on which the policy must not move
    mismatched   prompts with the responses to other prompts, for KTO's baseline
    crossed      rows with their own response and then the response to another prompt

`prepare` sees all passes before the first backward and returns those to loop over.

A loss may ask for any argument that a method of its objective's supplies is named after: see `PairSupplies`.
The first method returns the values that are trained. To supply another argument, add a method there.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from truing.core.errors import ConfigError
from truing.data.packing import PackedBatch
from truing.losses.preference import Pair, per_token
from truing.losses.unpaired import kl_baseline
from truing.models.scoring import Scorer, Scores
from truing.models.world import world
from truing.objectives.binding import Hyper, Loss, needs, number_of, supply
from truing.objectives.coupling import Given, Share, moved, shares
from truing.training.step import Objective, Outcome, Tally, Totals, Unit

Reference = Callable[[PackedBatch], Tensor]  # a batch to the reference's log-probabilities, [N] f32
Prepared = tuple[Objective, Sequence[PackedBatch]]
SFT_ON = ("response", "sequence")


def sides(values: Tensor) -> Pair:
    """Split [2B] values per branch, chosen and rejected in turn, into the two sides, [B] each."""
    return Pair(values[0::2], values[1::2])


@dataclass(frozen=True)
class LossRequest:
    """A loss, and the other inputs of the objective that binds it."""

    scorer: Any  # a model: log-probabilities of a batch, or scores of its responses
    loss: Loss
    hyper: Mapping[str, Hyper]
    reference: Reference | None = None
    coupled: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)  # of the objective itself


@dataclass(frozen=True)
class TokenSupplies:
    """The arguments of a loss on tokens."""

    values: Tensor  # [N] f32

    def logps(self) -> Tensor:
        return self.values


@dataclass(frozen=True)
class LikelihoodObjective:
    """A loss on every scored token: supervised fine-tuning."""

    supplies: ClassVar[type] = TokenSupplies
    couples: ClassVar[bool] = False

    scorer: Scorer
    loss: Loss
    hyper: Mapping[str, Hyper] = field(default_factory=dict)

    @classmethod
    def of(cls, asked: LossRequest) -> Self:
        return cls(asked.scorer, asked.loss, asked.hyper)

    def prepare(self, passes: Sequence[PackedBatch]) -> Prepared:
        return self, passes

    def count(self, batch: PackedBatch) -> Counter[Unit]:
        return Counter({"token": len(batch.target)})

    def __call__(self, batch: PackedBatch) -> Outcome:
        logps = self.scorer(batch).logps
        losses = self.loss(**supply(self.loss, TokenSupplies(logps)), **self.hyper)
        return Outcome([Tally(losses, "token")], {"nll": Tally(-logps, "token")})


def _need(reference: Reference | None) -> Reference:
    assert reference is not None, "a loss with `ref` is bound with a reference"
    return reference


def _shared(objective: Any, passes: Sequence[PackedBatch]) -> dict[tuple[int, ...], Share]:
    """Return each pass's share of a coupled loss, by its items; none where one pass holds the whole step."""
    here = world()
    if not objective.coupled or (here.alone and len(passes) < 2):
        return {}
    with torch.no_grad():
        given = [objective.given(batch, objective.score(batch)) for batch in passes]
    counted = [one for one, batch in zip(given, passes, strict=True) if not batch.blank]
    of_ranks = [given] if here.alone else here.gather([moved(one, "cpu") for one in counted])
    whole = [moved(one, objective.scorer.device) for part in of_ranks for one in part]
    first = sum(map(len, of_ranks[: here.rank]))
    cut = shares(objective.loss, whole, objective.hyper)[first : first + len(counted)]
    return dict(zip((batch.items for batch in passes if not batch.blank), cut, strict=True))


@dataclass(frozen=True)
class PairSupplies:
    """The arguments of a preference loss, from one pass; both sides of B pairs, [B] f32 each."""

    objective: "PairObjective"
    batch: PackedBatch
    scores: Scores

    def policy(self) -> Pair:
        return sides(self.objective.sums(self.batch)(self.scores.logps))

    def ref(self) -> Pair:
        return sides(self.objective.sums(self.batch)(_need(self.objective.reference)(self.batch)))

    def lengths(self) -> Pair:
        """Count the tokens of each response."""
        return sides(self.batch.lengths)

    def weights(self) -> Pair:
        """Return the mean over a response of log p(token) minus the log of the collision probability."""
        assert self.scores.collision is not None, "asked for by a loss that takes `weights`"
        gaps = self.batch.sums(self.scores.logps.detach() - self.scores.collision)
        return sides(gaps / self.batch.lengths)

    def probability(self) -> Tensor:
        """Return the chance of each chosen response of being the better one, [B]; 1 where a row has none."""
        return 1 - self.batch.labels[1::2]


@dataclass(frozen=True)
class PairObjective:
    """A preference loss, optionally with likelihood of the chosen side added (RPO, arXiv:2404.19733).

    With `sft_on` = "sequence" that likelihood covers the prompt too, as in TRL and in ORPO's own code: a mean
    over the tokens of `whole` passes.

    `ld_alpha` < 1 is the weight of those tokens of the longer response that lie beyond the length of the
    shorter one, under policy and reference alike (LD-DPO, arXiv:2409.06411 eq. 11).
    """

    supplies: ClassVar[type] = PairSupplies
    couples: ClassVar[bool] = True

    scorer: Scorer
    loss: Loss
    hyper: Mapping[str, Hyper]
    reference: Reference | None = None
    sft_weight: float = 0.0  # 0 leaves the likelihood term out
    sft_on: str = "response"  # one of SFT_ON
    ld_alpha: float = 1.0
    coupled: bool = False  # whether the loss of a pair depends on the others of its step
    shared: Mapping[tuple[int, ...], Share] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.sft_on not in SFT_ON:
            raise ConfigError(f"loss.sft_on is {self.sft_on!r}: expected {' or '.join(SFT_ON)}")

    @classmethod
    def of(cls, asked: LossRequest) -> Self:
        kept = {"reference": asked.reference, "coupled": asked.coupled}
        return cls(asked.scorer, asked.loss, asked.hyper, **kept, **asked.options)

    def prepare(self, passes: Sequence[PackedBatch]) -> Prepared:
        return replace(self, shared=_shared(self, [b for b in passes if b.role != "whole"])), passes

    def count(self, batch: PackedBatch) -> Counter[Unit]:
        if batch.role == "whole":
            return Counter({"whole_token": len(batch.target)})
        chosen = int((batch.response % 2 == 0).sum())
        return Counter({"pair": batch.branches // 2, "chosen_token": chosen})

    def score(self, batch: PackedBatch) -> Scores:
        return self.scorer(batch, collision=needs(self.loss, "weights"))

    def given(self, batch: PackedBatch, scores: Scores) -> Given:
        """Return the arguments to call the loss with."""
        return supply(self.loss, PairSupplies(self, batch, scores))

    def sums(self, batch: PackedBatch) -> Callable[[Tensor], Tensor]:
        """Return the function that adds up per-token values per branch."""
        return batch.sums if self.ld_alpha == 1 else self._desensitised(batch)

    def _desensitised(self, batch: PackedBatch) -> Callable[[Tensor], Tensor]:
        """Return `batch.sums` with every token past its pair's shorter response weighted by `ld_alpha`."""
        ends = batch.lengths.cumsum(0).long()
        place = (
            torch.arange(len(batch.target), device=ends.device)
            - (ends - batch.lengths.long())[batch.response]
        )
        lengths = sides(batch.lengths)
        common = torch.minimum(*lengths).repeat_interleave(2)[batch.response]
        weights = torch.where(place < common, 1.0, self.ld_alpha)
        return lambda values: batch.sums(weights * values)

    def __call__(self, batch: PackedBatch) -> Outcome:
        if batch.role == "whole":
            lost = -self.scorer(batch).logps
            return Outcome(
                [Tally(self.sft_weight * lost, "whole_token")], {"nll/whole": Tally(lost, "whole_token")}
            )
        scores = self.score(batch)
        given = self.given(batch, scores)
        share = self.shared.get(batch.items)
        losses = share.replay(given["policy"]) if share else self.loss(**given, **self.hyper)
        tallies = [Tally(losses, "pair")]
        on_chosen = scores.logps[batch.response % 2 == 0]
        if self.sft_weight and self.sft_on == "response":
            tallies.append(Tally(-self.sft_weight * on_chosen, "chosen_token"))
        return Outcome(tallies, self._metrics(given, losses, on_chosen))

    def _metrics(self, given: Given, losses: Tensor, on_chosen: Tensor) -> dict[str, Tally]:
        policy, rewards = given["policy"], self._rewards(given)
        return {
            "pair_loss": Tally(losses, "pair"),
            "nll/chosen": Tally(-on_chosen, "chosen_token"),
            "rewards/chosen": Tally(rewards.chosen, "pair"),
            "rewards/rejected": Tally(rewards.rejected, "pair"),
            "rewards/margins": Tally(rewards.gap, "pair"),
            "rewards/accuracies": Tally((rewards.gap > 0).float(), "pair"),
            "logps/chosen": Tally(policy.chosen, "pair"),
            "logps/rejected": Tally(policy.rejected, "pair"),
        }

    def _rewards(self, given: Given) -> Pair:
        """Return beta times the log-ratio, per token where the loss is a function of lengths."""
        policy: Pair = given["policy"]
        ref: Pair = given.get("ref", Pair(policy.chosen * 0, policy.rejected * 0))
        ratios = Pair(policy.chosen - ref.chosen, policy.rejected - ref.rejected)
        if "lengths" in given:
            ratios = per_token(ratios, given["lengths"])
        beta = number_of(self.hyper, "beta")
        return Pair(beta * ratios.chosen, beta * ratios.rejected)


@dataclass(frozen=True)
class UnpairedSupplies:
    """The arguments of a loss on labelled responses; [B], of the responses that are learnt from."""

    batch: PackedBatch
    own: Tensor  # of all responses of the pass, summed over tokens
    reference: Tensor | None  # the same
    baseline: Tensor | None

    def policy(self) -> Tensor:
        return self.own[self.batch.first]

    def ref(self) -> Tensor:
        assert self.reference is not None, "worked out for a loss that takes it"
        return self.reference[self.batch.first]

    def desirable(self) -> Tensor:
        """Return the feedback, [B] bool."""
        return self.batch.labels[self.batch.first] > 0.5

    def kl(self) -> Tensor | None:
        """Return KTO's baseline, a scalar."""
        return self.baseline


def _counted(batch: PackedBatch, logps: Tensor) -> Tensor:
    """Return the sums over responses, [B]; none of a blank pass."""
    return batch.sums(logps)[: 0 if batch.blank else None]


@dataclass(frozen=True)
class UnpairedObjective:
    """A loss on single responses marked desirable (label 1) or not (label 0): KTO, BCO."""

    supplies: ClassVar[type] = UnpairedSupplies
    couples: ClassVar[bool] = True

    scorer: Scorer
    loss: Loss
    hyper: Mapping[str, Hyper]
    reference: Reference | None = None
    kl: Tensor | None = None  # KTO's baseline of the step, a scalar; a crossed pass has its own
    coupled: bool = False  # whether the loss of a response depends on the others of its step
    shared: Mapping[tuple[int, ...], Share] = field(default_factory=dict)

    @classmethod
    def of(cls, asked: LossRequest) -> Self:
        return cls(asked.scorer, asked.loss, asked.hyper, asked.reference, coupled=asked.coupled)

    def prepare(self, passes: Sequence[PackedBatch]) -> Prepared:
        learnt = [batch for batch in passes if batch.role != "mismatched"]
        bound = self
        if needs(self.loss, "kl") and not any(batch.role == "crossed" for batch in learnt):
            bound = replace(self, kl=self._baseline([b for b in passes if b.role == "mismatched"]))
        return replace(bound, shared=_shared(bound, learnt)), learnt

    @torch.no_grad()
    def _baseline(self, passes: Sequence[PackedBatch]) -> Tensor:
        """Return the mean log-ratio of policy to reference over the step's responses to other prompts."""
        none = [torch.zeros(0, device=self.scorer.device)]
        policy = [_counted(batch, self.scorer(batch).logps) for batch in passes]
        ref = [_counted(batch, _need(self.reference)(batch)) for batch in passes]
        here = world()
        return kl_baseline(here.join(torch.cat(policy or none)), here.join(torch.cat(ref or none)))

    def count(self, batch: PackedBatch) -> Counter[Unit]:
        labels = batch.labels[batch.first]
        good = int(labels.sum())
        return Counter({"response": len(labels), "desirable": good, "undesirable": len(labels) - good})

    def score(self, batch: PackedBatch) -> Scores:
        return self.scorer(batch)

    def given(self, batch: PackedBatch, scores: Scores) -> Given:
        """Return the arguments to call the loss with."""
        policy, ref, kl = batch.sums(scores.logps), None, self.kl
        if needs(self.loss, "ref") or batch.role == "crossed":
            ref = batch.sums(_need(self.reference)(batch))
            if batch.role == "crossed":
                kl = kl_baseline(policy[~batch.first], ref[~batch.first])
        return supply(self.loss, UnpairedSupplies(batch, policy, ref, kl))

    def __call__(self, batch: PackedBatch) -> Outcome:
        given = self.given(batch, self.score(batch))
        share = self.shared.get(batch.items)
        losses = share.replay(given["policy"]) if share else self.loss(**given, **self.hyper)
        return Outcome([Tally(losses, "response")], self._metrics(given, batch.labels[batch.first] > 0.5))

    def _metrics(self, given: Given, good: Tensor) -> dict[str, Tally]:
        policy: Tensor = given["policy"]
        rewards = number_of(self.hyper, "beta") * (policy - given.get("ref", torch.zeros_like(policy)))
        metrics = {
            "rewards/desirable": Tally(rewards[good], "desirable"),
            "rewards/undesirable": Tally(rewards[~good], "undesirable"),
            "logps/desirable": Tally(policy[good], "desirable"),
            "logps/undesirable": Tally(policy[~good], "undesirable"),
        }
        if "kl" in given:
            metrics["kl"] = Tally(given["kl"].expand(len(good)), "response")
        return metrics


@dataclass(frozen=True)
class RetainObjective:
    """Another objective, with the KL from the initial policy added on retained rows.

    KL(reference || policy) is exact over the vocabulary at every scored token, so a retained row adds no
    sampling noise: its gradient is zero until the policy has moved.
    """

    main: Objective
    scorer: Scorer
    states: Callable[[PackedBatch], Tensor]  # of the reference, [N, D]
    weight: float

    def prepare(self, passes: Sequence[PackedBatch]) -> Prepared:
        kept = [batch for batch in passes if batch.role == "retain"]
        main, learnt = self.main.prepare([batch for batch in passes if batch.role != "retain"])
        return replace(self, main=main), [*learnt, *kept]

    def count(self, batch: PackedBatch) -> Totals:
        if batch.role == "retain":
            return Counter({"retained_token": len(batch.target)})
        return self.main.count(batch)

    def __call__(self, batch: PackedBatch) -> Outcome:
        if batch.role != "retain":
            return self.main(batch)
        moved = self.scorer.divergence(batch, self.states(batch))
        tally = Tally(self.weight * moved, "retained_token")
        return Outcome([tally], {"kl/retained": Tally(moved, "retained_token")})
