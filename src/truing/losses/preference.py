"""Losses on preference pairs: pure functions from log-probabilities to one loss per pair.

Positional parameters name what the loop supplies, keyword-only ones are hyper-parameters with the
paper's defaults. To add a loss: a function here, a row in `PAIR_LOSSES`, a test. Those that run no
reference are in `reference_free.py`.

    policy   Pair of [B] f32, log p(response | prompt) under the policy, summed over tokens
    ref      the same under the frozen reference; a loss that omits it never runs a reference
    lengths  Pair of [B] f32, the number of tokens in those sums, at least 1
    weights  Pair of [B] f32, the mean over those tokens of log p(token) - log sum_v p(v)^2 under the policy
    probability  [B] f32, the chance that the chosen response is the better one; None stands for 1

A loss that takes `probability` is p L(w, l) + (1 - p) L(l, w), the loss expected of a label that is right
with chance p. Those losses take it whose minimum then moves with p.

In the formulas w is the chosen response, l the rejected one, u = log(policy / ref) of a response and
s the logistic function.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from truing.config.tables import find
from truing.core.errors import ConfigError
from truing.losses.numerics import expected, logistic, power_log, squared


class Pair(NamedTuple):
    """One number for each side of B preference pairs."""

    chosen: Tensor  # [B]
    rejected: Tensor  # [B]

    @property
    def gap(self) -> Tensor:
        return self.chosen - self.rejected


def per_token(sums: Pair, lengths: Pair) -> Pair:
    """Turn sums over tokens into means over tokens."""
    return Pair(sums.chosen / lengths.chosen, sums.rejected / lengths.rejected)


def _ratios(policy: Pair, ref: Pair) -> Pair:
    """u of each side. The reference is a constant."""
    return Pair(policy.chosen - ref.chosen.detach(), policy.rejected - ref.rejected.detach())


def _margin(policy: Pair, ref: Pair) -> Tensor:
    """u_w - u_l, [B]. The reference is a constant."""
    return policy.gap - ref.gap.detach()


# f' of arXiv:2309.16240, table 1, as a function of u and alpha; constants are left out, they cancel in a gap.
DIVERGENCES: dict[str, Callable[[Tensor, float], Tensor]] = {
    "reverse_kl": lambda ratio, alpha: ratio,
    "forward_kl": lambda ratio, alpha: power_log(ratio, 1.0),
    "js": lambda ratio, alpha: logsigmoid(ratio),
    "alpha": power_log,
}


def dpo(
    policy: Pair,
    ref: Pair,
    probability: Tensor | None = None,
    *,
    beta: float = 0.1,
    label_smoothing: float = 0.0,
    divergence: str = "reverse_kl",
    divergence_alpha: float = 0.5,
) -> Tensor:
    """Direct preference optimisation, -log s(beta (u_w - u_l)): arXiv:2305.18290 eq. 7.

    With a `probability` p of each label it is -p log s(x) - (1 - p) log s(-x), x = beta (u_w - u_l).
    `label_smoothing` is the believed share of swapped labels (conservative DPO, note by E. Mitchell, 2023,
    eq. 3); 0 trusts every label. TRL ignores it for this loss.

    `divergence` keeps the policy near the reference (f-DPO, arXiv:2309.16240): f'(e^u), one of the
    `DIVERGENCES`, replaces u. `divergence_alpha` is the paper's alpha, read by "alpha" alone: 0 is
    "reverse_kl", 1 is "forward_kl". TRL's coefficient is 1 - alpha. Where a response has lost more than
    40 / alpha nats, `power_log` is a straight line; TRL clamps, or overflows.
    """
    pull = find("divergence", DIVERGENCES, divergence)
    if divergence == "reverse_kl":
        return logistic(beta * _margin(policy, ref), label_smoothing, probability)
    scores = Pair(*(pull(ratio, divergence_alpha) for ratio in _ratios(policy, ref)))
    return logistic(beta * scores.gap, label_smoothing, probability)


def dpo_positive(
    policy: Pair, ref: Pair, probability: Tensor | None = None, *, beta: float = 0.1, penalty: float = 50.0
) -> Tensor:
    """DPO-Positive, arXiv:2402.13228 eq. 3: DPO with a penalty on a chosen response below the reference.

    Every nat that the chosen response loses to the reference costs. `penalty` is the paper's lambda; it
    stands inside beta, as in the paper.
    """
    margin, lost = _margin(policy, ref), [(-ratio).clamp(min=0) for ratio in _ratios(policy, ref)]
    right, swapped = (beta * (m - penalty * nats) for m, nats in zip((margin, -margin), lost, strict=True))
    return expected(logistic(right), logistic(swapped), probability)


def robust(
    policy: Pair,
    ref: Pair,
    probability: Tensor | None = None,
    *,
    beta: float = 0.1,
    label_smoothing: float = 0.1,
) -> Tensor:
    """Robust DPO, arXiv:2403.00409: unbiased for DPO where labels are swapped at random.

    With e = `label_smoothing`, the chance of a swapped label:
    ((1 - e) DPO(w, l) - e DPO(l, w)) / (1 - 2 e). Not bounded below: it falls for ever as u_w - u_l grows.
    """
    if not 0 <= label_smoothing < 0.5:
        raise ConfigError(f"loss.label_smoothing is {label_smoothing}: robust expects 0 or more, below 0.5")
    logits = beta * _margin(policy, ref)
    right, wrong = logistic(logits), logistic(-logits)
    right, wrong = (
        ((1 - label_smoothing) * one - label_smoothing * other) / (1 - 2 * label_smoothing)
        for one, other in ((right, wrong), (wrong, right))
    )
    return expected(right, wrong, probability)


def ipo(
    policy: Pair, ref: Pair, lengths: Pair, probability: Tensor | None = None, *, beta: float = 0.1
) -> Tensor:
    """Identity preference optimisation per token: (u_w / |w| - u_l / |l| - 1 / (2 beta))^2.

    arXiv:2310.12036 eq. 17 with means in place of sums, which TRL's source says IPO's authors confirmed;
    `ipo_sum` is the equation as printed. beta is the paper's tau. With a `probability` p the least value
    lies at (2 p - 1) / (2 beta).
    """
    return squared(per_token(_ratios(policy, ref), lengths).gap, 1 / (2 * beta), probability)


def ipo_sum(policy: Pair, ref: Pair, probability: Tensor | None = None, *, beta: float = 0.1) -> Tensor:
    """Identity preference optimisation, (u_w - u_l - 1 / (2 beta))^2: arXiv:2310.12036 eq. 17, beta its tau.

    Not in TRL, whose `ipo` is `ipo` here.
    """
    return squared(_margin(policy, ref), 1 / (2 * beta), probability)


def hinge(policy: Pair, ref: Pair, *, beta: float = 0.05) -> Tensor:
    """Hinge loss of SLiC, normalised as in RSO: max(0, 1 - beta (u_w - u_l)).

    arXiv:2309.06657, "hinge-norm"; beta is its gamma.
    """
    return (1 - beta * _margin(policy, ref)).clamp(min=0)


def exo_pair(policy: Pair, ref: Pair, *, beta: float = 0.1, label_smoothing: float = 1e-3) -> Tensor:
    """Efficient exact optimisation, arXiv:2402.00856 eq. 16: KL from the policy's to the labels' preference.

    With q = s(beta (u_w - u_l)) and e = `label_smoothing`:
    q (log q - log(1 - e)) + (1 - q) (log(1 - q) - log e).
    """
    if not 0 < label_smoothing < 1:
        raise ConfigError(f"loss.label_smoothing is {label_smoothing}: exo_pair expects it between 0 and 1")
    logits = beta * _margin(policy, ref)
    right = logits.sigmoid() * (logsigmoid(logits) - math.log1p(-label_smoothing))
    wrong = (-logits).sigmoid() * (logsigmoid(-logits) - math.log(label_smoothing))
    return right + wrong


def nca_pair(policy: Pair, ref: Pair, *, beta: float = 0.01) -> Tensor:
    """Noise-contrastive alignment on pairs, arXiv:2402.05369.

    -log s(beta u_w) - log s(-beta u_w) / 2 - log s(-beta u_l) / 2.
    """
    chosen, rejected = (beta * ratio for ratio in _ratios(policy, ref))
    return logistic(chosen) + 0.5 * logistic(-chosen) + 0.5 * logistic(-rejected)


def bco_pair(policy: Pair, ref: Pair, *, beta: float = 0.01, shift: float = 1.0) -> Tensor:
    """Binary classifier optimisation, arXiv:2404.04656: -log s(beta u_w - d) - log s(d - beta u_l).

    d is `shift` times the mean of beta u over both sides of all pairs given, held constant; it is no running
    mean over steps. TRL 1.16 leaves d out: `shift` = 0 gives its numbers.
    """
    rewards = Pair(*(beta * ratio for ratio in _ratios(policy, ref)))
    delta = shift * torch.cat(rewards).mean().detach()
    return logistic(rewards.chosen - delta) + logistic(delta - rewards.rejected)


def sppo_hard(policy: Pair, ref: Pair, probability: Tensor | None = None, *, beta: float = 0.001) -> Tensor:
    """Self-play preference optimisation with hard labels, arXiv:2405.00675 eq. 4.7; beta is 1 / its eta.

    (u_w - 1 / (2 beta))^2 + (u_l + 1 / (2 beta))^2: the chosen one beats the policy with chance 1, the
    rejected one with chance 0. With a `probability` p these chances are p and 1 - p: the gradient is that of
    the paper's eq. 4.6 with P = p.
    """
    ratios = _ratios(policy, ref)
    target = 1 / (2 * beta)
    return squared(ratios.chosen, target, probability) + squared(ratios.rejected, -target, probability)


def _at_same_rank(values: Tensor, like: Tensor) -> Tensor:
    """Put beside each entry of `like` the entry of `values` of the same rank, [B]."""
    rank = like.argsort(stable=True).argsort()
    return values.sort().values[rank]


def aot(policy: Pair, ref: Pair, *, beta: float = 0.01, label_smoothing: float = 0.0) -> Tensor:
    """Alignment via optimal transport, paired, arXiv:2406.05882: the policy's gaps should dominate the ref's.

    -log s(beta (policy gap - ref gap of the same rank)) over all pairs given. Each loss stands at the pair
    whose policy gap it holds; TRL returns them sorted, with the same mean.
    """
    delta = policy.gap - _at_same_rank(ref.gap.detach(), like=policy.gap)
    return logistic(beta * delta, label_smoothing)


def aot_unpaired(policy: Pair, ref: Pair, *, beta: float = 0.01, label_smoothing: float = 0.0) -> Tensor:
    """Alignment via optimal transport, unpaired, arXiv:2406.05882: all u_w together should dominate all u_l.

    -log s(beta (u_w - u_l of the same rank)) over all pairs given. Each loss stands at the pair whose
    chosen response it holds; TRL returns them sorted, with the same mean.
    """
    ratios = _ratios(policy, ref)
    delta = ratios.chosen - _at_same_rank(ratios.rejected, like=ratios.chosen)
    return logistic(beta * delta, label_smoothing)


def apo_zero(policy: Pair, ref: Pair, *, beta: float = 0.1) -> Tensor:
    """Anchored preference optimisation, arXiv:2408.06266 eq. 7: 1 - s(beta u_w) + s(beta u_l).

    For chosen responses better than the policy's own: the chosen one goes up, the rejected one down.
    """
    ratios = _ratios(policy, ref)
    return (-beta * ratios.chosen).sigmoid() + (beta * ratios.rejected).sigmoid()


def apo_down(policy: Pair, ref: Pair, *, beta: float = 0.1) -> Tensor:
    """Anchored preference optimisation, arXiv:2408.06266 eq. 8: s(beta u_w) + 1 - s(beta (u_w - u_l)).

    For chosen responses worse than the policy's own: both go down, the rejected one further.
    """
    chosen = _ratios(policy, ref).chosen
    return (beta * chosen).sigmoid() + (-beta * _margin(policy, ref)).sigmoid()


def discopop(policy: Pair, ref: Pair, *, beta: float = 0.05, temperature: float = 0.05) -> Tensor:
    """DiscoPOP, log-ratio modulated loss, arXiv:2406.08414 eq. 5: a logistic and an exponential loss mixed.

    With x = beta (u_w - u_l) and m = s(x / temperature): -(1 - m) log s(x) + m e^-x. The second product is
    taken in logs: m is 0 where e^-x overflows, as long as `temperature` is not above 1. Not convex:
    around x = 0 the loss rises with x.
    """
    logits = beta * _margin(policy, ref)
    modulation = logits / temperature
    return (-modulation).sigmoid() * logistic(logits) + (logsigmoid(modulation) - logits).exp()


def sigmoid_norm(
    policy: Pair, ref: Pair, lengths: Pair, probability: Tensor | None = None, *, beta: float = 5.0
) -> Tensor:
    """Length-normalised DPO, -log s(beta (u_w / |w| - u_l / |l|)): Tülu 3, arXiv:2411.15124."""
    return logistic(beta * per_token(_ratios(policy, ref), lengths).gap, probability=probability)


def wpo(
    policy: Pair, ref: Pair, weights: Pair, probability: Tensor | None = None, *, beta: float = 0.01
) -> Tensor:
    """Weighted preference optimisation, arXiv:2406.11827 eq. 2: DPO, less on pairs unlikely under the policy.

    The weight of a pair is e^(weights of both sides added), held constant, and at most 1 as in the authors'
    code; later versions of TRL leave the bound out.
    """
    weight = (weights.chosen + weights.rejected).clamp(max=0).exp().detach()
    return weight * dpo(policy, ref, probability, beta=beta)


PAIR_LOSSES = {
    loss.__name__: loss
    for loss in (
        dpo,
        dpo_positive,
        robust,
        ipo,
        ipo_sum,
        hinge,
        exo_pair,
        nca_pair,
        bco_pair,
        sppo_hard,
        aot,
        aot_unpaired,
        apo_zero,
        apo_down,
        discopop,
        sigmoid_norm,
        wpo,
    )
}

COUPLED_PAIR_LOSSES = frozenset({"bco_pair", "aot", "aot_unpaired"})
"""Losses with a mean or ranks over the pairs given: the loop must give them all pairs of the step at once."""
