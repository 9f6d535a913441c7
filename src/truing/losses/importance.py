"""Importance ratios: the probability of a response under one policy over that under its sampler.

Reinforcement learning has two kinds. The policy moves away from its own state at the time of sampling
(`old_logps`); and the engine that sampled the responses computes other numbers (`sampler_logps`) than the
trainer does for the same weights. Ratios of the first kind are part of a loss, see `policy_gradient.py`;
those of the second kind are the weights in `CORRECTIONS`, which multiply the loss of a token. To add a
correction: a function here, a row in `CORRECTIONS`, a test.

    logps          [N] f32, log p(token) under the policy
    old_logps      [N] f32, the same under the policy at the time of sampling, computed by the trainer
    sampler_logps  [N] f32, the same as the sampler reports it, under the distribution that it sampled
                   from: with its temperature, top-p and top-k
    response       [N] int64, the response of each token, 0 .. B - 1
"""

from typing import NamedTuple

import torch
from torch import Tensor

from truing.losses.numerics import NATS
from truing.losses.segments import means, sums


def token_log_ratio(logps: Tensor, old_logps: Tensor) -> Tensor:
    """log pi / pi_old of each token, [N]. The old policy is a constant."""
    return logps - old_logps.detach()


def response_log_ratio(logps: Tensor, old_logps: Tensor, response: Tensor) -> Tensor:
    """Mean of `token_log_ratio` over the response, at each token, [N]: log s_i of GSPO, arXiv:2507.18071."""
    return means(token_log_ratio(logps, old_logps), response)


def ratio_of(log_ratio: Tensor) -> Tensor:
    """e^log_ratio, [N]; constant beyond 40 nats either way. TRL's overflows, verl's is constant beyond 20."""
    return log_ratio.clamp(-NATS, NATS).exp()


class RatioStats(NamedTuple):
    """Metrics of the policy's distance from the one that sampled, [N] each, to be averaged over tokens."""

    ratio: Tensor
    kl: Tensor  # k3 form of KL(old || policy), never negative
    clipped_low: Tensor  # 1 where a clipped surrogate has no gradient since the ratio is too small already
    clipped_high: Tensor  # the same where it is too large


@torch.no_grad()
def ratio_stats(log_ratio: Tensor, advantages: Tensor, *, low: float = 0.2, high: float = 0.2) -> RatioStats:
    """Metrics of the log-ratio that a loss clips, per token or per response, both [N].

    TRL calls the clipped shares clip_ratio/low_mean and clip_ratio/high_mean, verl the sum of both
    actor/pg_clipfrac. TRL's old PPO logged half the squared log-ratio as approxkl.
    """
    bounded = log_ratio.clamp(-NATS, NATS)
    ratio = bounded.exp()
    below = (ratio < 1 - low) & (advantages < 0)
    above = (ratio > 1 + high) & (advantages > 0)
    return RatioStats(ratio, torch.expm1(bounded) - bounded, below.to(ratio.dtype), above.to(ratio.dtype))


def _token_ratio(old_logps: Tensor, sampler_logps: Tensor) -> Tensor:
    return ratio_of((old_logps - sampler_logps).detach())


def _response_ratio(old_logps: Tensor, sampler_logps: Tensor, response: Tensor) -> Tensor:
    """Product of the ratios of a response's tokens, at each token, [N]."""
    logs = (old_logps - sampler_logps).detach()
    return ratio_of(sums(logs, response)[response]).to(logs.dtype)


def _within(ratio: Tensor, low: float, high: float) -> Tensor:
    return ratio.where((ratio >= low) & (ratio <= high), 0)


def token_truncate(old_logps: Tensor, sampler_logps: Tensor, *, ratio_max: float = 2.0) -> Tensor:
    """Truncated importance sampling, min(ratio, C) of each token, [N]: Yao et al., 2025 (TIS).

    `ratio_max` is C, 2 in verl and 3 in TRL, which calls it token_truncate.
    """
    return _token_ratio(old_logps, sampler_logps).clamp(max=ratio_max)


def token_mask(
    old_logps: Tensor, sampler_logps: Tensor, *, ratio_min: float = 0.5, ratio_max: float = 5.0
) -> Tensor:
    """Masked importance sampling: a token's ratio, or 0 outside [alpha, beta], [N]: IcePop, arXiv:2510.18855.

    The bounds are INTELLECT-3's (arXiv:2512.16144). A masked token still counts where losses are averaged.
    """
    return _within(_token_ratio(old_logps, sampler_logps), ratio_min, ratio_max)


def response_truncate(
    old_logps: Tensor, sampler_logps: Tensor, response: Tensor, *, ratio_max: float = 2.0
) -> Tensor:
    """min(ratio of the whole response, C), at each of its tokens, [N]: sequence_truncate in TRL.

    Without a bound this is unbiased for a reward of the whole response, which a ratio per token is not; its
    variance grows with the length.
    """
    return _response_ratio(old_logps, sampler_logps, response).clamp(max=ratio_max)


def response_mask(
    old_logps: Tensor,
    sampler_logps: Tensor,
    response: Tensor,
    *,
    ratio_min: float = 0.0,
    ratio_max: float = 2.0,
) -> Tensor:
    """The ratio of the whole response, or 0 outside the bounds, at each of its tokens, [N].

    Liu et al., 2025, "When speed kills stability"; sequence_mask in TRL, with 3 for an upper bound.
    """
    return _within(_response_ratio(old_logps, sampler_logps, response), ratio_min, ratio_max)


CORRECTIONS = {
    correction.__name__: correction
    for correction in (token_truncate, token_mask, response_truncate, response_mask)
}
