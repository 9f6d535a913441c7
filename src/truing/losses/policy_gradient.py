"""Policy-gradient losses: pure functions of the log-probabilities of sampled tokens, one loss per token.

Positional parameters name what the loop supplies, keyword-only ones are hyper-parameters with the paper's
defaults. Tokens of all responses stand in one flat tensor. A row of `aggregate.AGGREGATIONS` averages their
losses, and a row of `importance.CORRECTIONS` may weight them. To add a loss: a function
here, a row in `POLICY_LOSSES` or `VALUE_LOSSES`, a test.

    logps       [N] f32, log p(token) under the policy; gradients reach it and nothing else
    old_logps   [N] f32, the same under the policy at the time of sampling
    advantages  [N] f32, the gain of the token over the expected reward, from `credit.py`
    response    [N] int64, the response of each token, 0 .. B - 1; a loss that takes it must be given all
                tokens of a response at once
    values      [N] f32, the reward that the critic expects from this token on; gradients reach it and
                nothing else

In the formulas A is the advantage and r = policy / old the importance ratio of a token.
"""

import torch
from torch import Tensor

from truing.core.errors import ConfigError
from truing.losses.importance import ratio_of, response_log_ratio, token_log_ratio
from truing.losses.kl import straight_through


def reinforce(logps: Tensor, advantages: Tensor) -> Tensor:
    """Plain policy gradient, -A log policy: Williams, 1992. For one update per sampled batch."""
    return -advantages.detach() * logps


def _clipped(ratio: Tensor, advantages: Tensor, low: float, high: float, ceiling: float) -> Tensor:
    """-min(min(ratio, ceiling) A, clip(ratio, 1 - low, 1 + high) A)."""
    advantages = advantages.detach()
    free = ratio.clamp(max=ceiling) * advantages
    return -torch.minimum(free, ratio.clamp(1 - low, 1 + high) * advantages)


def clipped_surrogate(
    logps: Tensor, old_logps: Tensor, advantages: Tensor, *, low: float = 0.2, high: float = 0.2
) -> Tensor:
    """PPO's surrogate, -min(r A, clip(r, 1 - low, 1 + high) A): arXiv:1707.06347 eq. 7. GRPO's too.

    high = 0.28 is DAPO's clip-higher, arXiv:2503.14476. TRL: epsilon and epsilon_high; verl: clip_ratio_low
    and clip_ratio_high.
    """
    ratio = ratio_of(token_log_ratio(logps, old_logps))
    return _clipped(ratio, advantages, low, high, ceiling=torch.inf)


def dual_clip(
    logps: Tensor,
    old_logps: Tensor,
    advantages: Tensor,
    *,
    low: float = 0.2,
    high: float = 0.2,
    ratio_max: float = 3.0,
) -> Tensor:
    """PPO with r bounded where A < 0 too, -max(the surrogate, ratio_max A) there: arXiv:1912.09729.

    The plain surrogate's loss grows without end in r; from `ratio_max`, above 1 + high, this one is constant.
    verl has it always, as clip_ratio_c = 3; TRL's delta and INTELLECT-2 (arXiv:2505.07291, 4) are
    the same as long as the bound is above 1 + high.
    """
    ratio = ratio_of(token_log_ratio(logps, old_logps))
    return _clipped(ratio, advantages, low, high, ceiling=ratio_max)


def gspo(
    logps: Tensor,
    old_logps: Tensor,
    advantages: Tensor,
    response: Tensor,
    *,
    low: float = 3e-4,
    high: float = 4e-4,
) -> Tensor:
    """Group sequence policy optimisation: PPO's surrogate on s, the geometric mean of r over the response.

    arXiv:2507.18071 eq. 5, whose mean over responses is `aggregate.response_mean`; with
    `aggregate.response_sum` it is LUSPO (arXiv:2602.05261, low 2e-3 and high 2.5e-3). Each token carries its
    response's number. TRL: importance_sampling_level = "sequence".
    """
    ratio = ratio_of(response_log_ratio(logps, old_logps, response))
    return _clipped(ratio, advantages, low, high, ceiling=torch.inf)


def gspo_token(
    logps: Tensor,
    old_logps: Tensor,
    advantages: Tensor,
    response: Tensor,
    *,
    low: float = 3e-4,
    high: float = 4e-4,
) -> Tensor:
    """GSPO with an advantage for each token, arXiv:2507.18071: the surrogate on sg(s) policy / sg(policy).

    sg is a constant of that value. Where a response has one advantage, the value equals GSPO's, and so does
    the gradient under `response_mean`.
    """
    mean = response_log_ratio(logps, old_logps, response).detach()
    ratio = ratio_of(straight_through(mean, logps))
    return _clipped(ratio, advantages, low, high, ceiling=torch.inf)


def cispo(
    logps: Tensor,
    old_logps: Tensor,
    advantages: Tensor,
    *,
    ratio_min: float = 0.0,
    ratio_max: float = 5.0,
) -> Tensor:
    """Clipped importance weights, -sg(clip(r, ratio_min, ratio_max)) A log policy: arXiv:2506.13585.

    sg is a constant of that value, so that every token keeps a gradient. MiniMax-M1 gives no number for its
    upper bound 1 + epsilon_high; 5 is ScaleRL's (arXiv:2510.13786). TRL's epsilon_high is `ratio_max` itself,
    verl adds 1 to its clip_ratio_high.
    """
    weight = ratio_of(token_log_ratio(logps, old_logps)).clamp(ratio_min, ratio_max).detach()
    return -weight * advantages.detach() * logps


def sapo(
    logps: Tensor,
    old_logps: Tensor,
    advantages: Tensor,
    *,
    temperature: float = 1.0,
    negative_temperature: float = 1.05,
) -> Tensor:
    """Soft adaptive policy optimisation, -(4 / t) sigmoid(t (r - 1)) A: arXiv:2511.20347.

    A gate replaces the clip; its slope is 1 at r = 1 and falls off on both sides. t is `temperature` where
    A > 0 and `negative_temperature` elsewhere; TRL: sapo_temperature_pos and sapo_temperature_neg.
    """
    advantages = advantages.detach()
    sharpness = torch.full_like(advantages, negative_temperature).masked_fill(advantages > 0, temperature)
    ratio = ratio_of(token_log_ratio(logps, old_logps))
    return -(4 / sharpness) * torch.sigmoid(sharpness * (ratio - 1)) * advantages


POLICY_LOSSES = {
    loss.__name__: loss for loss in (reinforce, clipped_surrogate, dual_clip, gspo, gspo_token, cispo, sapo)
}


def squared_value(values: Tensor, returns: Tensor) -> Tensor:
    """(V - R)^2 / 2, [N]."""
    return (values - returns.detach()).square() / 2


def clipped_value(values: Tensor, old_values: Tensor, returns: Tensor, *, value_clip: float = 0.2) -> Tensor:
    """max((V - R)^2, (clip(V, V_old - c, V_old + c) - R)^2) / 2, [N]: arXiv:2005.12729 section 3.

    `old_values` are the critic's when the advantages were made. `value_clip` is c: 0.2 in TRL and
    LLaMA-Factory, 0.5 in verl and OpenRLHF, 5 in align-anything. It is in units of reward, so none of these
    numbers suits every reward.
    """
    old_values = old_values.detach()
    near = old_values + (values - old_values).clamp(-value_clip, value_clip)
    return torch.maximum(squared_value(values, returns), squared_value(near, returns))


VALUE_LOSSES = {loss.__name__: loss for loss in (squared_value, clipped_value)}


def sampled_entropy(logps: Tensor) -> Tensor:
    """Estimate of the policy's entropy at each sampled token, -log policy in nats, [N].

    Its gradient is -log policy times that of log policy. In expectation this is the gradient of the entropy,
    without a second pass over the vocabulary. An entropy bonus subtracts the estimate, times a weight, from
    the loss of a token.
    """
    return straight_through(-logps, -logps.square() / 2)


def high_entropy(entropy: Tensor, *, share: float = 0.2) -> Tensor:
    """Mark the `share` of tokens with the highest entropy, [N] to [N] bool: arXiv:2506.01939.

    The paper learns from these tokens alone. Give it all tokens of a step at once, or the threshold would
    depend on the cut of the step into passes. Equal entropies go together. TRL: top_entropy_quantile.
    """
    if not 0 < share <= 1:
        raise ConfigError(f"share is {share:g}: expected a part of the tokens, above 0 and at most 1")
    kept = max(1, round(share * len(entropy)))
    if kept >= len(entropy):
        return torch.ones_like(entropy, dtype=torch.bool)
    return entropy >= entropy.kthvalue(len(entropy) - kept + 1).values
