"""From rewards to advantages: pure functions without gradients.

A row of `CREDITS` that takes `group` or `rewards` gives one advantage per response, [B], which its tokens
share as `advantages[response]`; one that takes `response` gives one per token, [N]. All of them see a whole
step at once. To add a credit: a function here, a row in `CREDITS`, a test.

    rewards        [B] f32, one per response, of those that have one: a failed reward is left out, not 0
    group          [B] int64, the prompt that a response answers; groups may differ in size
    token_rewards  [N] f32, one per token, from `token_rewards`
    values         [N] f32, the reward that the critic expected from this token on
    response       [N] int64, the response of each token; its tokens stand together and in order

Before `whiten`, `batch_*` and `reinforce_pp*`, a step on several ranks must gather their inputs, or each
rank has a scale of its own.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from truing.losses.segments import counts, discounted, lasts, means, numbered, sums


@torch.no_grad()
def token_rewards(rewards: Tensor, kl: Tensor, response: Tensor, *, weight: float = 0.05) -> Tensor:
    """-weight * KL at each token and the reward at the last one: [B] and [N] to [N]. arXiv:1909.08593 eq. 2.

    `kl` is k1 of the policy that sampled, see `kl.py`.
    """
    return rewards[response] * lasts(response) - weight * kl


@torch.no_grad()
def penalised(rewards: Tensor, kl: Tensor, response: Tensor, *, weight: float = 0.05) -> Tensor:
    """Reward less weight * the KL summed over the response, [B], which RLOO compares: arXiv:2402.14740."""
    return rewards - weight * sums(kl, response)[: len(rewards)].to(rewards.dtype)


@torch.no_grad()
def whiten(values: Tensor, mask: Tensor | None = None, *, keep_mean: bool = False) -> Tensor:
    """(x - mean) / sqrt(variance + 1e-8) over all entries, or those in `mask` with 0 elsewhere: [N] to [N].

    `keep_mean` adds the mean again. The variance is the population's; in verl and TRL's old PPO the sample's.
    """
    kept = values if mask is None else values[mask]
    if not len(kept):
        return torch.zeros_like(values)
    mean = kept.mean()
    white = (values - mean) * torch.rsqrt((kept - mean).square().mean() + 1e-8)
    if keep_mean:
        white = white + mean
    return white if mask is None else white.masked_fill(~mask, 0)


class _Centred(NamedTuple):
    values: Tensor  # [B], less the mean of its group; exactly 0 where the whole group has one reward
    groups: Tensor  # [B] int64, numbered from 0 without gaps
    sizes: Tensor  # [B] f32, responses in its group


def _centred(rewards: Tensor, group: Tensor) -> _Centred:
    index = numbered(group)
    values = (rewards - means(rewards, index)).masked_fill(tied(rewards, group), 0)
    return _Centred(values, index, counts(index).to(rewards.dtype))


@torch.no_grad()
def tied(rewards: Tensor, group: Tensor) -> Tensor:
    """Mark responses whose group has one reward throughout, [B] bool: such a group teaches nothing.

    A group of one response is marked too. The share of marked responses is TRL's frac_reward_zero_std;
    DAPO's dynamic sampling (arXiv:2503.14476 eq. 11) draws another prompt in place of such a group.
    """
    index = numbered(group)
    least, most = (
        torch.zeros_like(rewards).scatter_reduce(0, index, rewards, how, include_self=False)
        for how in ("amin", "amax")
    )
    return (least == most)[index]


@torch.no_grad()
def group_standardised(rewards: Tensor, group: Tensor, *, eps: float = 1e-4) -> Tensor:
    """GRPO, (R - mean) / (std + eps) within the group, [B]: arXiv:2402.03300 section 4.1.

    The standard deviation is the sample's. eps is TRL's; verl and PaddleNLP have 1e-6, OpenRLHF 1e-9, where
    the rounding error of a mean of equal rewards becomes an advantage near 1. Here it is exactly 0.
    """
    centred, index, count = _centred(rewards, group)
    variance = means(centred.square(), index) * count / (count - 1).clamp(min=1)
    return centred / (variance.sqrt() + eps)


@torch.no_grad()
def group_centred(rewards: Tensor, group: Tensor) -> Tensor:
    """Dr. GRPO, R - mean within the group, [B]: arXiv:2503.20783. TRL: scale_rewards = "none"."""
    return _centred(rewards, group).values


@torch.no_grad()
def leave_one_out(rewards: Tensor, group: Tensor) -> Tensor:
    """RLOO, R - mean of the others in the group, [B]: arXiv:2402.14740. A response alone gets 0."""
    centred, _, count = _centred(rewards, group)
    return centred * count / (count - 1).clamp(min=1)


@torch.no_grad()
def batch_scaled(rewards: Tensor, group: Tensor, *, eps: float = 1e-4) -> Tensor:
    """Lite PPO, (R - mean of the group) / (std of all rewards + eps), [B]: arXiv:2508.08221.

    The standard deviation is the sample's, of the rewards as they came. TRL: scale_rewards = "batch".
    """
    deviations = rewards - rewards.mean() if len(rewards) else rewards
    std = (deviations.square().sum() / max(len(rewards) - 1, 1)).sqrt()
    return _centred(rewards, group).values / (std + eps)


@torch.no_grad()
def batch_standardised(rewards: Tensor) -> Tensor:
    """(R - mean) / std over all responses of the step, [B]: a baseline that needs no groups."""
    return whiten(rewards)


@torch.no_grad()
def reinforce_pp(token_rewards: Tensor, response: Tensor, *, gamma: float = 1.0) -> Tensor:
    """REINFORCE++, arXiv:2501.03262: the return from each token on, whitened over all of the step, [N].

    OpenRLHF's "reinforce", PaddleNLP's "reinforce_plus_plus". The method of that name in ms-swift
    is `reinforce_pp_baseline`.
    """
    return whiten(discounted(token_rewards, response, gamma))


@torch.no_grad()
def reinforce_pp_baseline(rewards: Tensor, group: Tensor) -> Tensor:
    """REINFORCE++-baseline, R - mean of the group, divided by the std over the step, [B]: arXiv:2501.03262.

    Over responses, as in ms-swift; OpenRLHF whitens over tokens, so that long responses weigh more in the
    mean and the scale. The paper puts the KL, k2, into the loss.
    """
    return whiten(group_centred(rewards, group))


@torch.no_grad()
def gae(
    token_rewards: Tensor, values: Tensor, response: Tensor, *, gamma: float = 1.0, lam: float = 0.95
) -> Tensor:
    """Generalised advantage estimation, sum over k of (gamma lam)^k delta_{t+k}, [N]: arXiv:1506.02438.

    delta_t = reward_t + gamma V_{t+1} - V_t, with V = 0 after the last token, cut short or not. The critic
    learns from the returns, `gae(...) + values`; PPO whitens the advantages after that. lam is 1 in OpenRLHF
    and verl. Between the turns of a response only tokens of its own count, so that gamma skips the others.
    """
    following = values.roll(-1).masked_fill(lasts(response), 0)
    return discounted(token_rewards + gamma * following - values, response, gamma * lam)


CREDITS = {
    credit.__name__: credit
    for credit in (
        group_standardised,
        group_centred,
        leave_one_out,
        batch_scaled,
        batch_standardised,
        reinforce_pp,
        reinforce_pp_baseline,
        gae,
    )
}
