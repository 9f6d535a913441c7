"""Products of activations with weights, by the faster of the libraries that PyTorch has for them."""

import torch
from torch import Tensor
from torch.nn.functional import linear


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`x W' + b` for [n, in] and [out, in]; float32 on a CPU goes through oneDNN.

    PyTorch sends float32 products to MKL, which runs AMD processors at less than half of oneDNN's speed.
    """
    if x.dtype is torch.float32 and x.device.type == "cpu":
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return linear(x, weight, bias)
