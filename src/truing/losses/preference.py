"""Losses on preference pairs: pure functions from log-probabilities to one loss per pair.

Positional parameters name what the loop supplies, keyword-only ones are hyper-parameters with the
paper's defaults. To add a loss: a function here, a row in `PAIR_LOSSES`, a test.

    policy   Pair of [B] f32, log p(response | prompt) under the policy, summed over tokens
    ref      the same under the frozen reference; a loss that omits it never runs a reference
"""

from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import logsigmoid


class Pair(NamedTuple):
    """One number for each side of B preference pairs."""

    chosen: Tensor  # [B]
    rejected: Tensor  # [B]

    @property
    def gap(self) -> Tensor:
        return self.chosen - self.rejected


def dpo(policy: Pair, ref: Pair, *, beta: float = 0.1, label_smoothing: float = 0.0) -> Tensor:
    """Direct preference optimisation, arXiv:2305.18290 eq. 7.

    `label_smoothing` is the believed share of swapped labels (conservative DPO, note by E. Mitchell,
    2023, eq. 3); 0 trusts every label.
    """
    logits = beta * (policy.gap - ref.gap)
    return -(1 - label_smoothing) * logsigmoid(logits) - label_smoothing * logsigmoid(-logits)


def dpo_positive(policy: Pair, ref: Pair, *, beta: float = 0.1, penalty: float = 50.0) -> Tensor:
    """DPO-Positive, arXiv:2402.13228 eq. 3: pays for every nat the chosen response loses to the reference.

    `penalty` is the paper's lambda; it stands inside beta, as in the paper.
    """
    lost = (ref.chosen - policy.chosen).clamp(min=0)
    return -logsigmoid(beta * (policy.gap - ref.gap - penalty * lost))


PAIR_LOSSES = {"dpo": dpo, "dpo_positive": dpo_positive}
