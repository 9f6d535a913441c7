"""Products of activations with weights, by the faster of the libraries that PyTorch has for them."""

import torch
from torch import Tensor
from torch.nn.functional import linear

# With AVX2 alone both libraries use the same instructions, and MKL reads a transposed weight as it lies.
# With AVX-512, MKL runs AMD processors at less than half of oneDNN's speed.
_MKL_KEEPS_UP = torch.backends.cpu.get_cpu_capability() == "AVX2"


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`x W' + b` for [n, in] and [out, in]; float32 on a CPU goes through MKL or oneDNN."""
    if x.dtype is torch.float32 and x.device.type == "cpu" and not _MKL_KEEPS_UP:
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return linear(x, weight, bias)


def added(total: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """`total + x W'`, [n, out], written over `total` where that is faster."""
    if x.dtype is torch.float32 and x.device.type == "cpu" and not _MKL_KEEPS_UP:
        return torch.ops.mkldnn._linear_pointwise.binary(x, total, weight, None, "add")
    return total.addmm_(x, weight.t())
