"""Bind a pure loss to a model: batch -> log-probabilities -> tallies."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from truing.data.packing import PackedBatch
from truing.losses.preference import Pair
from truing.methods.binding import Hyper, Loss, needs, pick
from truing.models.scoring import Scorer
from truing.train.step import Outcome, Tally, Unit

Reference = Callable[[PackedBatch], Tensor]  # a batch to the reference's log-probabilities, [N] f32


def sides(values: Tensor) -> Pair:
    """[2B] per branch, chosen and rejected in turn, to the two sides [B]."""
    return Pair(values[0::2], values[1::2])


@dataclass(frozen=True)
class LikelihoodObjective:
    """A loss on every scored token: supervised fine-tuning."""

    scorer: Scorer
    loss: Loss
    hyper: dict[str, Hyper] = field(default_factory=dict)

    def count(self, batch: PackedBatch) -> Counter[Unit]:
        return Counter({"token": len(batch.target)})

    def __call__(self, batch: PackedBatch) -> Outcome:
        logps = self.scorer(batch).logps
        return Outcome([Tally(self.loss(logps, **self.hyper), "token")], {"nll": Tally(-logps, "token")})


@dataclass(frozen=True)
class PairObjective:
    """A preference loss, optionally with likelihood of the chosen side added (RPO, arXiv:2404.19733)."""

    scorer: Scorer
    loss: Loss
    hyper: dict[str, Hyper]
    reference: Reference | None = None
    sft_weight: float = 0.0  # 0 leaves the likelihood term out

    def count(self, batch: PackedBatch) -> Counter[Unit]:
        chosen = int((batch.response % 2 == 0).sum())
        return Counter({"pair": batch.branches // 2, "chosen_token": chosen})

    def __call__(self, batch: PackedBatch) -> Outcome:
        logps = self.scorer(batch).logps
        policy = sides(batch.sums(logps))
        given: dict[str, object] = {"policy": policy, "lengths": sides(batch.lengths)}
        if needs(self.loss, "ref"):
            assert self.reference is not None, "a loss with `ref` is bound with a reference"
            given["ref"] = sides(batch.sums(self.reference(batch)))
        losses = self.loss(**pick(self.loss, given), **self.hyper)
        tallies = [Tally(losses, "pair")]
        on_chosen = logps[batch.response % 2 == 0]
        if self.sft_weight:
            tallies.append(Tally(-self.sft_weight * on_chosen, "chosen_token"))
        return Outcome(tallies, self._metrics(policy, given.get("ref"), losses, on_chosen))

    def _metrics(self, policy: Pair, ref: object, losses: Tensor, on_chosen: Tensor) -> dict[str, Tally]:
        beta = float(self.hyper.get("beta", 1.0))
        base = ref if isinstance(ref, Pair) else Pair(policy.chosen * 0, policy.rejected * 0)
        rewards = Pair(beta * (policy.chosen - base.chosen), beta * (policy.rejected - base.rejected))
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
