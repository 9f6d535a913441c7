"""Losses on preference pairs that run no reference; conventions as in `preference.py`.

Each paper adds the likelihood of the chosen response to its loss, always or in some cases. That term belongs
to the objective (`sft_weight`), not to these functions. To add a loss: a function here, a row in
`REFERENCE_FREE_LOSSES`, a test.

In the formulas w is the chosen response, l the rejected one, p the policy's probability of a response,
a its mean log-probability per token and s the logistic function.
"""

from torch import Tensor

from truing.losses.numerics import expected, log1mexp, logistic, power_log, squared
from truing.losses.preference import Pair, per_token


def cpo(
    policy: Pair, probability: Tensor | None = None, *, beta: float = 0.1, label_smoothing: float = 0.0
) -> Tensor:
    """Contrastive preference optimisation, -log s(beta (log p_w - log p_l)): arXiv:2401.08417 eq. 3.

    The paper adds the likelihood of the chosen response, with weight 1. `label_smoothing` as in `dpo`.
    """
    return logistic(beta * policy.gap, label_smoothing, probability)


def cpo_hinge(policy: Pair, *, beta: float = 0.1) -> Tensor:
    """The hinge loss of SLiC (arXiv:2305.10425) on CPO's margin, max(0, 1 - beta (log p_w - log p_l)).

    As TRL's CPO with "hinge".
    """
    return (1 - beta * policy.gap).clamp(min=0)


def cpo_ipo(policy: Pair, lengths: Pair, probability: Tensor | None = None, *, beta: float = 0.1) -> Tensor:
    """The squared loss of IPO (arXiv:2310.12036 eq. 17) without its reference: (a_w - a_l - 1 / (2 beta))^2.

    Means over tokens, as TRL's CPO with "ipo".
    """
    return squared(per_token(policy, lengths).gap, 1 / (2 * beta), probability)


def simpo(
    policy: Pair,
    lengths: Pair,
    probability: Tensor | None = None,
    *,
    beta: float = 2.0,
    gamma: float = 1.0,
) -> Tensor:
    """Simple preference optimisation, -log s(beta (a_w - a_l) - gamma): arXiv:2405.14734 eq. 6.

    gamma is the target margin in units of reward. It is TRL's `simpo_gamma`, and beta times the
    "gamma / beta ratio" of other code. TRL's own defaults are beta 0.1 and gamma 0.5. A label that is
    swapped asks for the same margin on the other side.
    """
    gap = beta * per_token(policy, lengths).gap
    return expected(logistic(gap - gamma), logistic(-gap - gamma), probability)


def alphapo(
    policy: Pair,
    lengths: Pair,
    probability: Tensor | None = None,
    *,
    beta: float = 2.5,
    gamma: float = 0.1,
    alpha: float = 0.25,
) -> Tensor:
    """AlphaPO, arXiv:2501.03884: SimPO with another shape of reward, -log s(r_w - r_l - gamma).

    r = beta (1 - e^(-alpha a)) / alpha; alpha = 0 is SimPO. Where -alpha a passes 40, `power_log` is a
    straight line and TRL overflows.
    """
    gap = Pair(*(beta * power_log(mean, alpha) for mean in per_token(policy, lengths))).gap
    return expected(logistic(gap - gamma), logistic(-gap - gamma), probability)


def orpo(policy: Pair, lengths: Pair, probability: Tensor | None = None, *, beta: float = 0.1) -> Tensor:
    """Odds ratio preference optimisation, arXiv:2403.07691 eq. 7, times the paper's lambda, here beta.

    -beta log s(log odds_w - log odds_l) with log odds = a - log(1 - e^a). The paper adds the likelihood of
    the chosen response, with weight 1; TRL takes that mean over the prompt's tokens too.
    """
    odds = Pair(*(mean - log1mexp(mean) for mean in per_token(policy, lengths)))
    return beta * logistic(odds.gap, probability=probability)


REFERENCE_FREE_LOSSES = {loss.__name__: loss for loss in (cpo, cpo_hinge, cpo_ipo, simpo, alphapo, orpo)}
