"""Functions that losses share and that stay finite, value and gradient, where exp and log leave the floats.

To add one: say which inputs break the plain formula and what stands in its place there, and test both.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

NATS = 40.0
"""Where exponents end: e^40 and its square are f32 numbers, so gradients and their norms are too."""


def logistic(logits: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """-log sigmoid(logits), a share `label_smoothing` of the labels taken as swapped."""
    return -(1 - label_smoothing) * logsigmoid(logits) - label_smoothing * logsigmoid(-logits)


def log1mexp(x: Tensor) -> Tensor:
    """log(1 - e^x) for x <= 0: the log-probability of whatever has not log-probability x.

    Above -log 2 the digits are in expm1, below in log1p. Between -e^-40 and 0 the value is -40 and the
    gradient 0, in place of -inf at 0.
    """
    near_zero = (-torch.expm1(x.clamp(max=-math.exp(-NATS)))).log()
    far_below = torch.log1p(-x.clamp(max=-math.log(2)).exp())
    return torch.where(x > -math.log(2), near_zero, far_below)


def power_log(logs: Tensor, alpha: float) -> Tensor:
    """(1 - u^-alpha) / alpha at u = e^logs, which tends to `logs` itself as alpha tends to 0.

    Where the exponent -alpha * logs passes 40, exp goes on along its tangent: finite, still rising in
    `logs`, and with a gradient that pulls back a response that has become very unlikely.
    """
    if alpha == 0:
        return logs
    exponent = -alpha * logs
    beyond = (exponent - NATS).clamp(min=0)
    return -(torch.expm1(exponent.clamp(max=NATS)) + math.exp(NATS) * beyond) / alpha
