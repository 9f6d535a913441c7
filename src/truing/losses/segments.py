"""Sums, means and discounted sums over the tokens of a response, on flat tensors, without padding.

    index  [N] int64, which response or group an entry belongs to: 0 .. B - 1, each of them at least once.
           So B is at most N, and no size has to be fetched from the device.

What is added up in bf16 or f16 is added up in f32. To add a function: the same conventions, and a test
against a plain loop.
"""

from typing import Any, cast

import torch
from torch import Tensor


def widened(values: Tensor) -> Tensor:
    """At least f32: a running sum in bf16 stops to grow at 256 ones."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def numbered(group: Tensor) -> Tensor:
    """Groups of any numbers as groups 0 .. B - 1 without gaps, in ascending order. [N] to [N] int64"""
    inverse: Tensor = cast(Any, group).unique(return_inverse=True)[1]  # which torch has without a type
    return inverse


def sums(values: Tensor, index: Tensor) -> Tensor:
    """The sum of the values of each index, [N] to [N], at least f32: index b stands at b, zeros from B on."""
    wide = widened(values)
    return torch.zeros_like(wide).index_add(0, index, wide)


def counts(index: Tensor) -> Tensor:
    """At each entry how many share its index, [N] to [N] f32."""
    return sums(torch.ones_like(index, dtype=torch.float32), index)[index]


def means(values: Tensor, index: Tensor) -> Tensor:
    """At each entry the mean over its index, [N] to [N]."""
    return sums(widened(values) / counts(index), index)[index].to(values.dtype)


def lasts(response: Tensor) -> Tensor:
    """Whether a token is the last of its response, whose tokens stand together: [N] to [N] bool."""
    last = torch.ones_like(response, dtype=torch.bool)
    last[:-1] = response[1:] != response[:-1]
    return last


def discounted(values: Tensor, response: Tensor, factor: float) -> Tensor:
    """At each token the sum over k >= 0 of factor^k times the value k tokens on in its response, [N] to [N].

    The tokens of a response stand together and in order. The span of the sums doubles in every round, so
    there are as many rounds as the longest response's length has binary digits.
    """
    total, span = widened(values).clone(), 1
    while span < len(total):
        within = response[span:] == response[:-span]
        if not within.any():
            break
        total[:-span] += factor**span * total[span:].where(within, 0)
        span *= 2
    return total.to(values.dtype)
