"""A loss of one's own, for recipes/dpo_own.yaml.

Positional names say what is supplied: here the log-probabilities of both responses of each pair, under the
policy and its reference. Keyword-only arguments are set under `loss:`. The result is one number per pair.
"""

from torch import Tensor
from torch.nn.functional import logsigmoid

from truing.losses.preference import Pair


def dpo_margin(policy: Pair, ref: Pair, *, beta: float = 0.1, margin: float = 0.5) -> Tensor:
    """DPO that asks for a lead: -log sigmoid(beta (u_w - u_l) - margin), arXiv:2402.10571 with one offset."""
    return -logsigmoid(beta * (policy.gap - ref.gap) - margin)
