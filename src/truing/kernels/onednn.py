"""The operations of oneDNN that PyTorch has and does not document: the one place that calls them.

They take and keep weights in oneDNN's own order, which no public operation does, and fuse the operation
behind a product. Names and arguments may change with any release: `TRIED` lists the releases they were tried
with, and `tests/kernels/test_onednn.py` compares them with plain products. Where a build lacks one of them,
`AVAILABLE` is false and the callers do without them.
"""

from typing import Literal

import torch
from torch import Tensor

TRIED = ("2.13",)  # releases of PyTorch
_NAMES = ("_linear_pointwise", "_reorder_linear_weight", "_is_mkldnn_bf16_supported")
# Some builds have no oneDNN, those for macOS among them.
AVAILABLE = torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, name) for name in _NAMES)


def linear(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, activation: Literal["none", "swish"] = "none"
) -> Tensor:
    """Return the activation of `x W' + b`, [n, in] to [n, out]; `weight` [out, in] may be `laid_out`."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], "")


def linear_with(
    other: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    operation: Literal["add", "mul"] = "add",
) -> Tensor:
    """Return `x W' + b`, added to `other` [n, out] or multiplied by it; it may be written over `other`."""
    return torch.ops.mkldnn._linear_pointwise.binary(x, other, weight, bias, operation)


def laid_out(weight: Tensor, rows: int) -> Tensor:
    """Return a weight, [out, in], in the order for products of `rows` rows; only `linear` reads it."""
    return torch.ops.mkldnn._reorder_linear_weight(weight, rows)


def multiplies_bfloat16() -> bool:
    """Tell whether this processor has instructions with which oneDNN multiplies bfloat16."""
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()
