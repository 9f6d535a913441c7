"""Functions that losses share, with finite values and gradients where exp and log would overflow.

To add one: say which inputs break the plain formula and what replaces it there, and test both.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

NATS = 40.0
"""The largest exponent: e^40 and its square are finite in f32, and so are gradients and their norms."""


def logistic(logits: Tensor, label_smoothing: float = 0.0, probability: Tensor | None = None) -> Tensor:
    """-log sigmoid(logits), a share `label_smoothing` of the labels taken as swapped.

    With the probability p of each label, [B], it is -p log sigmoid(logits) - (1 - p) log sigmoid(-logits),
    least where sigmoid(logits) = p.
    """
    right, swapped = -logsigmoid(logits), -logsigmoid(-logits)
    return expected(
        (1 - label_smoothing) * right + label_smoothing * swapped,
        (1 - label_smoothing) * swapped + label_smoothing * right,
        probability,
    )


def expected(right: Tensor, swapped: Tensor, probability: Tensor | None) -> Tensor:
    """Return p·right + (1 - p)·swapped, [B]: the loss expected where labels are right with probability p.

    `right` and `swapped` are the losses of the label as given and of its opposite. None stands for 1.
    """
    return right if probability is None else probability * right + (1 - probability) * swapped


def squared(value: Tensor, target: float, probability: Tensor | None = None) -> Tensor:
    """(value - target)^2; with the probability of each label, `expected` of targets of either sign."""
    return expected((value - target).square(), (value + target).square(), probability)


def log1mexp(x: Tensor) -> Tensor:
    """log(1 - e^x) for x <= 0: the log-probability of the complement of an event of log-probability x.

    Above -log 2 expm1 keeps the digits, below log1p does. Between -e^-40 and 0 the value is -40 and the
    gradient 0, in place of -inf at 0.
    """
    near_zero = (-torch.expm1(x.clamp(max=-math.exp(-NATS)))).log()
    far_below = torch.log1p(-x.clamp(max=-math.log(2)).exp())
    return torch.where(x > -math.log(2), near_zero, far_below)


def power_log(logs: Tensor, alpha: float) -> Tensor:
    """(1 - u^-alpha) / alpha at u = e^logs, which tends to `logs` itself as alpha tends to 0.

    Where the exponent -alpha * logs passes 40, exp is replaced by its tangent. The value stays finite and
    still rises in `logs`, so that the gradient pulls back a response that has become very unlikely.
    """
    if alpha == 0:
        return logs
    exponent = -alpha * logs
    beyond = (exponent - NATS).clamp(min=0)
    return -(torch.expm1(exponent.clamp(max=NATS)) + math.exp(NATS) * beyond) / alpha
