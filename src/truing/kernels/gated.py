"""The gated product of a Llama-like MLP, `silu(gate(x)) * up(x)`, with fewer tensors kept.

Autograd keeps gate, silu(gate), up and the product for backward. Here silu is worked out again from the
gate, which costs less than reading it back and saves a sixth of a layer's memory for backward. Where the
layer behind the product is adapted, in float32, the product is worked out again too, which saves another
sixth.
"""

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import silu
from transformers.activations import SiLUActivation

from truing.kernels.families import GATED
from truing.kernels.fused import (
    AdaptedLayer,
    in_float32,
    joinable,
    lifted,
    lowered,
    multiplied,
    of_adapters,
    together,
)


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx, gate: Tensor, up: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up)
        return silu(gate).mul_(up)

    @staticmethod
    def backward(ctx, grad: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        gate, up = ctx.saved_tensors
        return torch.ops.aten.silu_backward(grad * up, gate), silu(gate).mul_(grad)


class _GatedDown(torch.autograd.Function):
    """The gated product and the adapted layer behind it; gradients go to gate, up, A and B."""

    @staticmethod
    def forward(ctx, gate: Tensor, up: Tensor, down: AdaptedLayer, *trained: Tensor) -> Tensor:
        flat = silu(gate).mul_(up).flatten(0, -2)
        (found,), inner = multiplied(flat, [down])
        ctx.save_for_backward(gate, up, inner, *trained)
        ctx.down = down
        return found.view(*gate.shape[:-1], -1)

    @staticmethod
    def backward(ctx, grad: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        gate, up, inner, *_ = ctx.saved_tensors
        ys, layers = [grad.reshape(-1, grad.shape[-1])], [ctx.down]
        low = lowered(ys, layers)
        bent = silu(gate)
        trained = of_adapters((bent * up).flatten(0, -2), inner, ys, low, layers)
        back = lifted(ys, low, layers).view(gate.shape)
        return torch.ops.aten.silu_backward(back * up, gate), bent.mul_(back), None, *trained


def gated(mlp: Any, x: Tensor) -> Tensor:
    """Run the forward of a gated MLP, [..., hidden] to the same; its linear layers may be adapted."""
    gate, up = together(x, [mlp.gate_proj, mlp.up_proj])
    down = joinable(mlp.down_proj) if in_float32(x) else None
    if down is None:
        return mlp.down_proj(_Gated.apply(gate, up))
    return _GatedDown.apply(gate, up, down, down.a, down.b)  # pyright: ignore[reportReturnType]


def fuse_gates(model: nn.Module) -> int:
    """Give every MLP that computes this product the forward above; return the number of such MLPs."""
    found = [module for module in model.modules() if _is_gated(module)]
    for module in found:
        module.forward = MethodType(gated, module)  # a method: copies run on their own weights
    return len(found)


@torch.no_grad()
def _is_gated(module: Any) -> bool:
    """Tell whether a module has the parts of a gated MLP and computes `gated` on random numbers."""
    if {name for name, _ in module.named_children()} != GATED or "forward" in vars(module):
        return False
    if not isinstance(module.act_fn, (nn.SiLU, SiLUActivation)) or not hasattr(module.gate_proj, "weight"):
        return False
    weight = module.gate_proj.weight
    if weight.is_meta or not weight.is_floating_point():  # quantised: its shape is not that of the layer
        return False
    x = torch.randn(2, weight.shape[1], generator=torch.Generator().manual_seed(0))
    x = x.to(weight.device, weight.dtype)
    return alike(gated(module, x), module.forward(x))


def alike(found: Tensor, expected: Tensor) -> bool:
    """Tell whether two results differ by rounding alone: by nothing where they are not f32.

    Tensors without numbers, those of FakeTensorMode, are alike if their shapes are.
    """
    if type(expected) is not Tensor:
        return found.shape == expected.shape
    if expected.dtype is not torch.float32:
        return torch.equal(found, expected)
    return bool((found - expected).abs().max() <= 1e-5 * expected.abs().max())
