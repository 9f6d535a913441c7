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

from truing.models.products import added, product


@dataclass(frozen=True)
class _Layer:
    """What of a layer does not train but for the tensors A [r, in] and B [out, r] themselves."""

    weight: Tensor  # [out, in]
    bias: Tensor | None  # [out]
    a: Tensor
    b: Tensor
    scale: float


class _LoraProducts(torch.autograd.Function):
    """Layers on one input. The base weights are frozen; gradients go to x and to every A and B.

    The order of factors matters: products with r rows or columns run two to four times as fast where the
    long side of the factor with r of them is the one that lies in memory.
    """

    @staticmethod
    def forward(ctx, x: Tensor, layers: Sequence[_Layer], *trained: Tensor) -> tuple[Tensor, ...]:
        flat = x.reshape(-1, x.shape[-1])
        ranks = [len(layer.a) for layer in layers]
        inner = linear(flat, _stacked([layer.a for layer in layers], flat.dtype))
        found = []
        for layer, part in zip(layers, inner.split(ranks, 1), strict=True):
            y = product(flat, layer.weight, layer.bias)
            y.addmm_(part, layer.b.to(flat.dtype).t(), alpha=layer.scale)
            found.append(y.view(*x.shape[:-1], -1))
        ctx.save_for_backward(flat, inner, *(layer.weight for layer in layers), *trained)
        ctx.scales, ctx.ranks, ctx.shape = [layer.scale for layer in layers], ranks, x.shape
        return tuple(found)

    @staticmethod
    def backward(ctx, *grads: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        flat, inner, *others = ctx.saved_tensors
        weights, trained = others[: len(grads)], others[len(grads) :]
        ys = [grad.reshape(-1, grad.shape[-1]) for grad in grads]
        through = [
            linear(y, b.to(y.dtype).t().contiguous()).mul_(scale)
            for y, b, scale in zip(ys, trained[1::2], ctx.scales, strict=True)
        ]
        low = through[0] if len(ys) == 1 else torch.cat(through, 1)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = product(ys[0], weights[0].t())
            for y, weight in zip(ys[1:], weights[1:], strict=True):
                grad_x = added(grad_x, y, weight.t())
            grad_x = grad_x.addmm_(low, _stacked(trained[0::2], low.dtype)).view(ctx.shape)
        grads_a = (low.t() @ flat).split(ctx.ranks)
        parts = zip(
            grads_a, ys, inner.split(ctx.ranks, 1), trained[0::2], trained[1::2], ctx.scales, strict=True
        )
        found: list[Tensor] = []
        for grad_a, y, part, a, b, scale in parts:
            found += [grad_a.to(a.dtype), (part.t() @ y).mul_(scale).t().to(b.dtype)]
        return grad_x, None, *found


def _stacked(matrices: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    return (matrices[0] if len(matrices) == 1 else torch.cat(list(matrices))).to(dtype)


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
    if torch.is_autocast_enabled(x.device.type):
        x = x.to(base.weight.dtype)
    with torch.autocast(x.device.type, enabled=False):
        if layer.disable_adapters or layer.merged:
            y = product(x.reshape(-1, x.shape[-1]), base.weight, base.bias)
            return y.view(*x.shape[:-1], -1)
        return _applied(x, [_read(layer, name)])[0]


def _read(layer: LoraLinear, name: str) -> _Layer:
    base = layer.get_base_layer()
    assert isinstance(base, nn.Linear)
    a, b = layer.lora_A[name].weight, layer.lora_B[name].weight
    return _Layer(base.weight, base.bias, a, b, layer.scaling[name])


def _applied(x: Tensor, layers: Sequence[_Layer]) -> tuple[Tensor, ...]:
    trained = [weight for layer in layers for weight in (layer.a, layer.b)]
    return _LoraProducts.apply(x, layers, *trained)  # pyright: ignore[reportReturnType]


def in_float32(x: Tensor) -> bool:
    """Whether products of x are float32 ones on a CPU, where modules may be joined."""
    return x.dtype is torch.float32 and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


def together(x: Tensor, modules: Sequence[nn.Module]) -> Sequence[Tensor]:
    """What each of some layers makes of x, [..., in] to [..., out]; in one operation where it can be."""
    read = [_joinable(module) for module in modules] if in_float32(x) else []
    layers = [layer for layer in read if layer is not None]
    return _applied(x, layers) if len(layers) == len(modules) else [module(x) for module in modules]


def _joinable(module: nn.Module) -> _Layer | None:
    """A layer of which nothing but its fused forward would be run, with its adapter on; else None."""
    own = getattr(vars(module).get("forward"), "__func__", None) is _fused_forward
    if not isinstance(module, LoraLinear) or not own or module._forward_hooks or module._forward_pre_hooks:
        return None
    name = None if module.disable_adapters or module.merged else _plain(module)
    return None if name is None else _read(module, name)
