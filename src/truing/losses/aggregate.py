"""From a loss per token to the loss of a step: weights of the tokens, and a unit.

The loss of a step is the sum over its tokens of weight * loss, divided by the number of units in the whole
step: `Tally(weights * losses, unit)`. So the loss does not depend on the cut of a step into passes, as long
as everything that a weight depends on is in one pass. To add an aggregation: a function here, a row in
`AGGREGATIONS`, a test.

    response    [N] int64, which response a token belongs to, 0 .. B - 1, with all of its tokens
    group       [B] int64, which prompt a response answers, 0 .. P - 1, with all of its responses
    max_length  how many tokens a response may have
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from truing.losses.segments import counts


def response_mean(response: Tensor) -> Tensor:
    """1 / length, over responses: the mean over each response, then over all of them. GRPO, arXiv:2402.03300.

    Tokens of a long response weigh less. TRL: loss_type = "grpo", and "sapo"; verl: seq-mean-token-mean.
    """
    return 1 / counts(response)


def token_mean(response: Tensor) -> Tensor:
    """1, over tokens: every token of the step weighs the same. DAPO, arXiv:2503.14476 eq. 8.

    The paper takes the mean within each prompt's group first, which is `prompt_mean`. TRL: "dapo", "cispo",
    and "bnpo", which takes the mean of each micro-batch instead; verl and OpenRLHF: token-mean.
    """
    return torch.ones_like(response, dtype=torch.float32)


def response_sum(response: Tensor) -> Tensor:
    """1, over responses: the sum over each response, the mean over all. verl: seq-mean-token-sum.

    On GSPO's loss it is LUSPO, arXiv:2602.05261, TRL's "luspo"; on REINFORCE the policy gradient itself.
    """
    return torch.ones_like(response, dtype=torch.float32)


def fixed_length(response: Tensor, max_length: int) -> Tensor:
    """1 / max_length, over responses: a sum whose scale no length changes. Dr. GRPO, arXiv:2503.20783.

    TRL: "dr_grpo"; verl: seq-mean-token-sum-norm.
    """
    return torch.full_like(response, 1 / max_length, dtype=torch.float32)


def prompt_mean(response: Tensor, group: Tensor) -> Tensor:
    """1 / tokens of the prompt's group, over prompts: DAPO's equation as printed, and ScaleRL's choice.

    arXiv:2503.14476 eq. 8, arXiv:2510.13786. A prompt with long responses weighs no more than another.
    """
    return 1 / counts(group[response])


class Aggregation(NamedTuple):
    """Weights of the tokens, [N] f32, and the unit whose count divides their weighted sum."""

    weigh: Callable[..., Tensor]
    unit: Literal["token", "response", "prompt"]


AGGREGATIONS = {
    "response_mean": Aggregation(response_mean, "response"),
    "token_mean": Aggregation(token_mean, "token"),
    "response_sum": Aggregation(response_sum, "response"),
    "fixed_length": Aggregation(fixed_length, "response"),
    "prompt_mean": Aggregation(prompt_mean, "prompt"),
}
