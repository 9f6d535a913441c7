"""Products of activations with weights, by the faster of the libraries that PyTorch has for them."""

import torch
from torch import Tensor
from torch.nn.functional import linear

from truing.kernels import onednn

AVX2_ALONE = torch.backends.cpu.get_cpu_capability() == "AVX2"
# Outputs for each row from which on oneDNN is faster there too: a vocabulary's head over a few states.
_WIDE = 64


def _by_onednn(x: Tensor, weight: Tensor) -> bool:
    """Tell whether oneDNN is faster than MKL for x [n, in] and a weight [out, in].

    With AVX2 alone both use the same instructions, and MKL reads a transposed weight as it lies. With
    AVX-512, MKL runs AMD processors at less than half of oneDNN's speed.
    """
    mkl_keeps_up = AVX2_ALONE and len(weight) < _WIDE * len(x)
    return onednn.AVAILABLE and x.dtype is torch.float32 and x.device.type == "cpu" and not mkl_keeps_up


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return `x W' + b` for [n, in] and [out, in]; float32 on a CPU goes through MKL or oneDNN."""
    if _by_onednn(x, weight):
        return onednn.linear(x, weight, bias)
    return linear(x, weight, bias)


def added(total: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Return `total + x W'`, [n, out], written over `total` where that is faster."""
    if _by_onednn(x, weight):
        return onednn.linear_with(total, x, weight)
    return total.addmm_(x, weight.t())
