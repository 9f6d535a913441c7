"""Losses on unpaired feedback: each response alone, marked desirable or not; one loss per response.

Positional parameters name what the loop supplies, keyword-only ones are hyper-parameters with the
paper's defaults. Gradients reach `policy` and nothing else. To add a loss: a function here, a row in
`UNPAIRED_LOSSES`, a test.

    policy     [B] f32, log p(response | prompt) under the policy, summed over tokens
    ref        [B] f32, the same under the frozen reference
    desirable  [B] bool, the feedback
    kl         scalar f32, the baseline of the whole step, from `kl_baseline`
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def kto(
    policy: Tensor,
    ref: Tensor,
    desirable: Tensor,
    kl: Tensor,
    *,
    beta: float = 0.1,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> Tensor:
    """Kahneman-Tversky optimisation, arXiv:2402.01306 eq. 7.

    With r = policy - ref and z = kl, a desirable response costs lambda_D (1 - sigmoid(beta (r - z))) and an
    undesirable one lambda_U (1 - sigmoid(beta (z - r))). TRL has the same formula, but takes z from one
    device's batch and so refuses a batch of one; here z is that of the step, so any batch size works.
    """
    x = beta * (policy - ref.detach() - kl.detach())
    return torch.where(
        desirable, desirable_weight * torch.sigmoid(-x), undesirable_weight * torch.sigmoid(x)
    )  # 1 - sigmoid(x) is sigmoid(-x), without the cancellation


def apo_zero_unpaired(
    policy: Tensor,
    ref: Tensor,
    desirable: Tensor,
    *,
    beta: float = 0.1,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> Tensor:
    """Anchored preference optimisation without pairs: each half of APO-zero, arXiv:2408.06266 eq. 7, alone.

    With r = policy - ref, 1 - sigmoid(beta r) for a desirable response and sigmoid(beta r) for an
    undesirable one: KTO whose baseline is 0, as in TRL's KTO trainer, whose class weights it shares.
    """
    return kto(
        policy,
        ref,
        desirable,
        policy.new_zeros(()),
        beta=beta,
        desirable_weight=desirable_weight,
        undesirable_weight=undesirable_weight,
    )


def bco(policy: Tensor, ref: Tensor, desirable: Tensor, *, beta: float = 0.1) -> Tensor:
    """Binary classifier optimisation, arXiv:2404.04656.

    With r = beta (policy - ref), -log sigmoid(r - delta) for a desirable response and
    -log sigmoid(delta - r) for an undesirable one. The shift delta is the midpoint of the two classes'
    mean rewards over the responses given, without gradient; where one class is missing, it is the mean
    of the other. Older TRL took a running mean over all responses: that depends on the number of each class,
    and a resumed run would need it saved. The paper's reweighting of undesirable prompts is left out.
    """
    reward = beta * (policy - ref.detach())
    undesirable = ~desirable
    # [B], sums to 1 within each class that is present
    share = desirable / desirable.sum().clamp(min=1) + undesirable / undesirable.sum().clamp(min=1)
    delta = (share * reward.detach()).sum() / share.sum()
    return -torch.where(desirable, logsigmoid(reward - delta), logsigmoid(delta - reward))


UNPAIRED_LOSSES = {"kto": kto, "apo_zero_unpaired": apo_zero_unpaired, "bco": bco}

# Their shift is a mean over the responses of one call, so splitting a step into passes changes the loss.
COUPLED_UNPAIRED_LOSSES = frozenset({"bco"})


def kl_baseline(policy: Tensor, ref: Tensor) -> Tensor:
    """KTO's z, arXiv:2402.01306 section 4: the mean of policy - ref, at least 0, without gradient.

    Both are [M]: log-probabilities of every response of the step after a prompt that is not its own.
    Without responses it is 0.
    """
    return ((policy - ref).detach().sum() / max(len(policy), 1)).clamp(min=0)
