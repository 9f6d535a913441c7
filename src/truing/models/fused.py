"""LoRA layers in the fewest memory passes: `y = x W' + b + s (x A') B'` and its gradient, by hand.

PEFT's layer gives the same numbers through about twelve small operations, each reading and writing a
full activation. Here the adapter's product is accumulated straight into the base layer's output, and
in backward into its gradient. PEFT still owns the weights, the adapter switch, saving and merging;
layers that do more than plain LoRA (DoRA, dropout, several adapters at once, quantised bases) keep its
forward.
"""

from types import MethodType

import torch
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn

from truing.models.products import product


class _LoraProduct(torch.autograd.Function):
    """The base weight is frozen; gradients go to x, A and B."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float):
        flat = x.reshape(-1, x.shape[-1])
        low_a, low_b = a.to(flat.dtype), b.to(flat.dtype)
        y = product(flat, weight)
        if bias is not None:
            y += bias
        inner = flat @ low_a.t()
        y.addmm_(inner, low_b.t(), alpha=scale)
        ctx.save_for_backward(flat, weight, inner, a, b)
        ctx.scale, ctx.shape = scale, x.shape
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx, grad: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        flat, weight, inner, a, b = ctx.saved_tensors
        grad = grad.reshape(-1, grad.shape[-1])
        low_a, low_b = a.to(grad.dtype), b.to(grad.dtype)
        through = (grad @ low_b).mul_(ctx.scale)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = product(grad, weight.t()).addmm_(through, low_a).view(ctx.shape)
        grad_b = (grad.t() @ inner).mul_(ctx.scale).to(b.dtype)
        return grad_x, None, None, (through.t() @ flat).to(a.dtype), grad_b, None


def _plain(layer: LoraLinear) -> str | None:
    """The name of the active adapter of a layer where it is one and nothing but LoRA, else None."""
    if len(layer.active_adapters) != 1:
        return None
    (name,) = layer.active_adapters
    if name not in layer.lora_A or name in layer.lora_variant:
        return None
    base = layer.get_base_layer()
    dropout = layer.lora_dropout[name]
    silent = not isinstance(dropout, nn.Dropout) or dropout.p == 0
    plain = type(base) is nn.Linear and not base.weight.requires_grad and not layer.lora_bias.get(name)
    return name if plain and silent and not layer.fan_in_fan_out else None


def fuse(model: nn.Module) -> int:
    """Give every plain LoRA layer of a PEFT model the fused forward; returns how many there are."""
    layers = [layer for layer in model.modules() if isinstance(layer, LoraLinear) and _plain(layer)]
    for layer in layers:
        # A method and not a closure: the layers of a deep copy then run on their own weights.
        layer.forward = MethodType(_fused_forward, layer)
    return len(layers)


def _fused_forward(layer: LoraLinear, x: Tensor) -> Tensor:
    name = _plain(layer)
    if name is None or (layer.merged and layer.disable_adapters):
        return LoraLinear.forward(layer, x)
    base = layer.get_base_layer()
    assert isinstance(base, nn.Linear)
    weight, bias = base.weight, base.bias
    if torch.is_autocast_enabled(x.device.type):
        x = x.to(weight.dtype)
    with torch.autocast(x.device.type, enabled=False):
        if layer.disable_adapters or layer.merged:
            y = product(x.reshape(-1, x.shape[-1]), weight)
            return (y if bias is None else y + bias).view(*x.shape[:-1], -1)
        a, b = layer.lora_A[name].weight, layer.lora_B[name].weight
        return _LoraProduct.apply(x, weight, bias, a, b, layer.scaling[name])  # pyright: ignore[reportReturnType]
