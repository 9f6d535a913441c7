"""Estimators of the KL between policy and reference from the sampled tokens alone.

A row of `KL_ESTIMATORS` gives one number in nats per token, [N]. Its mean over tokens that the policy sampled
estimates KL(policy || ref) at a token; its gradient may differ from that of the KL (arXiv:2506.09477).
With x = log policy - log ref, and tokens sampled from the policy:

    name         value                 as an estimate     its expected gradient in a loss
    k1           x                     unbiased           none: it pulls nowhere
    k2           x^2 / 2               biased             that of KL(policy || ref)
    k3           e^-x - 1 + x          unbiased, >= 0     that of KL(ref || policy)
    k3_straight  that of k3            unbiased, >= 0     that of KL(policy || ref)
    k3_weighted  policy / old times k3 of k3, re-weighted that of KL(policy || ref), old samples or not

All of these are gradients at a given token. A loss per token leaves out the effect of a token on the KL of
later tokens; a reward of -weight * k1 per token, summed up by `credit.py`, includes it. So: k1 in a reward,
k3_weighted or k2 in a loss. The exact KL over the vocabulary is `kernels.logprobs.head_divergence`. To add an
estimator: a function here, a row in the table, its expected gradient in `tests/losses/test_kl.py`.

    logps      [N] f32, log p(token) under the policy; gradients reach it and nothing else
    ref_logps  [N] f32, under the frozen reference
    old_logps  [N] f32, under the policy at the time of sampling
"""

from torch import Tensor

from truing.losses.importance import ratio_of, token_log_ratio
from truing.losses.numerics import power_log


def straight_through(value: Tensor, surrogate: Tensor) -> Tensor:
    """Return the number of `value` with the gradient of `surrogate`."""
    return surrogate - surrogate.detach() + value.detach()


def k1(logps: Tensor, ref_logps: Tensor) -> Tensor:
    """log policy / ref, [N]: for rewards. As a loss its gradient is 0 in expectation and all noise."""
    return logps - ref_logps.detach()


def k2(logps: Tensor, ref_logps: Tensor) -> Tensor:
    """(log policy / ref)^2 / 2, [N]: REINFORCE++-baseline's KL loss. "mse" in verl."""
    return k1(logps, ref_logps).square() / 2


def k3(logps: Tensor, ref_logps: Tensor) -> Tensor:
    """ref / policy - 1 - log ref / policy, [N]: arXiv:2402.03300 eq. 4, GRPO's. "low_var_kl" in verl.

    expm1 keeps the digits: where policy and reference agree to 1e-4, the plain formula with e^x is rounding
    alone. Where a token has lost more than 40 nats to the reference, the estimate continues as a straight
    line and still pulls back; TRL overflows, verl clamps to 10 and stops pulling.
    """
    x = k1(logps, ref_logps)
    return x - power_log(x, 1.0)


def k3_straight(logps: Tensor, ref_logps: Tensor) -> Tensor:
    """The value of k3 with the gradient of k2, [N]: "k3+" in verl."""
    return straight_through(k3(logps, ref_logps), k2(logps, ref_logps))


def k3_weighted(logps: Tensor, ref_logps: Tensor, old_logps: Tensor) -> Tensor:
    """policy / old times k3, gradients through both, [N]: arXiv:2512.02556 eq. 7, DeepSeek-V3.2.

    TRL's GRPO since `use_bias_correction_kl` is on; there the ratio is the response's where the loss's is.
    """
    return ratio_of(token_log_ratio(logps, old_logps)) * k3(logps, ref_logps)


KL_ESTIMATORS = {estimator.__name__: estimator for estimator in (k1, k2, k3, k3_straight, k3_weighted)}

WITHOUT_PULL = frozenset({"k1"})
"""Estimators that keep no policy near its reference when they are put into a loss."""
