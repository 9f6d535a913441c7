"""LoRA layers in the fewest memory passes: `y = x W' + b + s (x A') B'` and its gradient, by hand.

PEFT's layer gives the same numbers through about twelve small operations, each reading and writing a
full activation. Here the adapter's product is accumulated straight into the base layer's output, and
in backward into its gradient; layers that read the same input may do so together. PEFT still owns the
weights, the adapter switch, saving and merging; layers that do more than plain LoRA (DoRA, dropout,
several adapters at once, quantised bases) keep its forward.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MethodType

import torch
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn
from torch.nn.functional import linear

from truing.kernels.products import added, product


@dataclass(frozen=True)
class AdaptedLayer:
    """A frozen layer with its adapter: A is [r, in], B is [out, r], and these two train."""

    weight: Tensor  # [out, in]
    bias: Tensor | None  # [out]
    a: Tensor
    b: Tensor
    scale: float


class _LoraProducts(torch.autograd.Function):
    """Outputs of layers on one input. The base weights are frozen; gradients go to x and to every A and B."""

    @staticmethod
    def forward(ctx, x: Tensor, layers: Sequence[AdaptedLayer], *trained: Tensor) -> tuple[Tensor, ...]:
        flat = x.reshape(-1, x.shape[-1])
        found, inner = multiplied(flat, layers)
        ctx.save_for_backward(flat, inner, *trained)
        ctx.layers, ctx.shape = layers, x.shape
        return tuple(y.view(*x.shape[:-1], -1) for y in found)

    @staticmethod
    def backward(ctx, *grads: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        flat, inner, *_ = ctx.saved_tensors
        ys = [grad.reshape(-1, grad.shape[-1]) for grad in grads]
        low = lowered(ys, ctx.layers)
        grad_x = lifted(ys, low, ctx.layers).view(ctx.shape) if ctx.needs_input_grad[0] else None
        return grad_x, None, *of_adapters(flat, inner, ys, low, ctx.layers)


def multiplied(flat: Tensor, layers: Sequence[AdaptedLayer]) -> tuple[list[Tensor], Tensor]:
    """Return every layer's output for x, [n, in] to [n, out], and the product of x with all A, [n, R].

    Here and below the layout of factors matters: a product with r rows or columns runs two to four times as
    fast if the long side of the factor with r rows or columns is contiguous in memory.
    """
    inner = linear(flat, _stacked([layer.a for layer in layers], flat.dtype))
    found = [product(flat, layer.weight, layer.bias) for layer in layers]
    for y, part, layer in zip(found, inner.split(_ranks(layers), 1), layers, strict=True):
        y.addmm_(part, layer.b.to(flat.dtype).t(), alpha=layer.scale)
    return found, inner


def lowered(ys: Sequence[Tensor], layers: Sequence[AdaptedLayer]) -> Tensor:
    """Turn gradients of the outputs, [n, out] each, into that of the product of x with all A, [n, R]."""
    parts = [
        linear(y, layer.b.to(y.dtype).t().contiguous()).mul_(layer.scale)
        for y, layer in zip(ys, layers, strict=True)
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def lifted(ys: Sequence[Tensor], low: Tensor, layers: Sequence[AdaptedLayer]) -> Tensor:
    """Turn the outputs' gradients `ys`, and `low`, which is `lowered(ys)`, into that of x, [n, in]."""
    grad_x = product(ys[0], layers[0].weight.t())
    for y, layer in zip(ys[1:], layers[1:], strict=True):
        grad_x = added(grad_x, y, layer.weight.t())
    return grad_x.addmm_(low, _stacked([layer.a for layer in layers], low.dtype))


def of_adapters(
    flat: Tensor, inner: Tensor, ys: Sequence[Tensor], low: Tensor, layers: Sequence[AdaptedLayer]
) -> list[Tensor]:
    """Return the gradients of A and B, layer by layer."""
    ranks, found = _ranks(layers), []
    parts = zip((low.t() @ flat).split(ranks), inner.split(ranks, 1), ys, layers, strict=True)
    for grad_a, part, y, layer in parts:
        found += [grad_a.to(layer.a.dtype), (part.t() @ y).mul_(layer.scale).t().to(layer.b.dtype)]
    return found


def _ranks(layers: Sequence[AdaptedLayer]) -> list[int]:
    return [len(layer.a) for layer in layers]


def _stacked(matrices: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    return (matrices[0] if len(matrices) == 1 else torch.cat(list(matrices))).to(dtype)


def _plain(layer: LoraLinear) -> str | None:
    """Return the name of a layer's active adapter if it is a single plain LoRA, else None."""
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
    """Give every plain LoRA layer of a PEFT model the fused forward; return the number of such layers."""
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
    if torch.is_autocast_enabled(x.device.type):
        x = x.to(base.weight.dtype)
    with torch.autocast(x.device.type, enabled=False):
        if layer.disable_adapters or layer.merged:
            y = product(x.reshape(-1, x.shape[-1]), base.weight, base.bias)
            return y.view(*x.shape[:-1], -1)
        return _applied(x, [_read(layer, name)])[0]


def _read(layer: LoraLinear, name: str) -> AdaptedLayer:
    base = layer.get_base_layer()
    assert isinstance(base, nn.Linear)
    a, b = layer.lora_A[name].weight, layer.lora_B[name].weight
    assert isinstance(a, Tensor) and isinstance(b, Tensor)
    return AdaptedLayer(base.weight, base.bias, a, b, layer.scaling[name])


def _applied(x: Tensor, layers: Sequence[AdaptedLayer]) -> tuple[Tensor, ...]:
    trained = [weight for layer in layers for weight in (layer.a, layer.b)]
    return _LoraProducts.apply(x, layers, *trained)  # pyright: ignore[reportReturnType]


def in_float32(x: Tensor) -> bool:
    """Tell whether products of x run in float32 on a CPU, where modules may be joined."""
    return x.dtype is torch.float32 and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


def together(x: Tensor, modules: Sequence[nn.Module]) -> Sequence[Tensor]:
    """Apply each of some layers to x, [..., in] to [..., out]; in one operation where possible."""
    read = [joinable(module) for module in modules] if in_float32(x) else []
    layers = [layer for layer in read if layer is not None]
    return _applied(x, layers) if len(layers) == len(modules) else [module(x) for module in modules]


def joinable(module: nn.Module) -> AdaptedLayer | None:
    """Return a layer whose call would run its fused forward alone, with the adapter on; else None."""
    own = getattr(vars(module).get("forward"), "__func__", None) is _fused_forward
    if not isinstance(module, LoraLinear) or not own or module._forward_hooks or module._forward_pre_hooks:
        return None
    name = None if module.disable_adapters or module.merged else _plain(module)
    return None if name is None else _read(module, name)
