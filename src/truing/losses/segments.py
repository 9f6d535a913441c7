"""Sums, means and discounted sums over the tokens of a response, on flat tensors, without padding.

    index  [N] int64, the response or group of an entry: 0 .. B - 1, each number at least once.
           So B is at most N, and no size has to be fetched from the device.

Values in bf16 or f16 are added up in f32. To add a function: the same conventions, and a test
against a plain loop.
"""

from typing import Any, cast

import torch
from torch import Tensor


def widened(values: Tensor) -> Tensor:
    """Return values in at least f32: a running sum in bf16 stops growing at 256 ones."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def numbered(group: Tensor) -> Tensor:
    """Renumber groups as 0 .. B - 1 without gaps, in ascending order. [N] to [N] int64"""
    inverse: Tensor = cast(Any, group).unique(return_inverse=True)[1]  # which torch has without a type
    return inverse


def sums(values: Tensor, index: Tensor) -> Tensor:
    """Return the sum of the values of each index b at place b, zeros from B on, [N] to [N], at least f32."""
    wide = widened(values)
    return torch.zeros_like(wide).index_add(0, index, wide)


def counts(index: Tensor) -> Tensor:
    """Count at each entry the entries of its index, [N] to [N] f32."""
    return sums(torch.ones_like(index, dtype=torch.float32), index)[index]


def means(values: Tensor, index: Tensor) -> Tensor:
    """Return at each entry the mean over its index, [N] to [N]."""
    return sums(widened(values) / counts(index), index)[index].to(values.dtype)


def lasts(response: Tensor) -> Tensor:
    """Mark the last token of every response, [N] to [N] bool; tokens of a response stand together."""
    last = torch.ones_like(response, dtype=torch.bool)
    last[:-1] = response[1:] != response[:-1]
    return last


def discounted(values: Tensor, response: Tensor, factor: float) -> Tensor:
    """Sum, at each token, factor^k times the value k tokens on in its response, over k >= 0: [N] to [N].

    The tokens of a response stand together and in order. The span of the sums doubles in every round, so
    the number of rounds is the number of binary digits of the longest response's length.
    """
    total, span = widened(values).clone(), 1
    while span < len(total):
        within = response[span:] == response[:-span]
        if not within.any():
            break
        total[:-span] += factor**span * total[span:].where(within, 0)
        span *= 2
    return total.to(values.dtype)
