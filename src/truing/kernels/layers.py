"""Forwards of a Llama-like layer's parts in float32 on a CPU, in fewer passes over memory.

    attention   queries, keys and values in one operation, turned in two passes instead of five
    norm        RMSNorm and its gradient by hand: two passes forward and four backward, instead of a dozen

Both serve packed trees under an adapter; any other call of a module goes to its own forward. To give another
kind of module such a forward, write the forward and its test for a module here, and add both to `_KINDS`.
"""

from collections.abc import Callable
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from truing.data.packing import Span
from truing.kernels.attention import TREES, tree_attention
from truing.kernels.families import ATTENTION
from truing.kernels.fused import in_float32, together
from truing.kernels.gated import alike, fuse_gates, gated


class _Turned(torch.autograd.Function):
    """Rotary positions: heads [1, L, H, D], cosines and signed sines [1, L, 1, D]."""

    @staticmethod
    def forward(ctx, heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return (heads * cos).addcmul_(heads.roll(heads.shape[-1] // 2, -1), sin)

    @staticmethod
    def backward(ctx, grad: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        cos, sin = ctx.saved_tensors
        # The sines of the two halves are each other's negatives, so rolling them back is a change of sign.
        turned = (grad * cos).addcmul_(grad.roll(grad.shape[-1] // 2, -1), sin, value=-1)
        return turned, None, None


def attended(
    module: Any,
    hidden_states: Tensor,
    position_embeddings: tuple[Tensor, Tensor] | None = None,
    attention_mask: Tensor | None = None,
    past_key_values: Any = None,
    **others: Any,
) -> tuple[Tensor, Tensor | None]:
    """Run an attention module's forward over packed trees, [1, L, hidden] to the same."""
    packed = module.config._attn_implementation == TREES and past_key_values is None
    if not packed or position_embeddings is None or not in_float32(hidden_states):
        return type(module).forward(
            module,
            hidden_states,
            position_embeddings=position_embeddings,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
            **others,
        )
    projected = together(hidden_states, [module.q_proj, module.k_proj, module.v_proj])
    query, key, value = (part.unflatten(-1, (-1, module.head_dim)) for part in projected)
    cos, sin = (part[:, :, None] for part in position_embeddings)
    sin = sin.clone()
    sin[..., : sin.shape[-1] // 2].neg_()
    query, key = _Turned.apply(query, cos, sin), _Turned.apply(key, cos, sin)
    query, key, value = (part.transpose(1, 2) for part in (query, key, value))
    given = {"spans": others["spans"], "scaling": module.scaling}
    mixed, _ = tree_attention(module, query, key, value, attention_mask, **given)
    return module.o_proj(mixed.flatten(2)), None


class _Normed(torch.autograd.Function):
    """RMSNorm with a frozen weight; the gradient goes to x alone."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)  # three times as fast as a mean of squares
        inverse = length.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        ctx.save_for_backward(x, inverse, weight)
        return (x * inverse).mul_(weight)

    @staticmethod
    def backward(ctx, grad: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        x, inverse, weight = ctx.saved_tensors
        scaled = grad * weight
        along = torch.linalg.vecdot(scaled, x)[..., None] * inverse.pow(3).div_(-x.shape[-1])
        return scaled.mul_(inverse).addcmul_(x, along), None, None


def normed(module: Any, x: Tensor) -> Tensor:
    """Run the forward of an RMSNorm, [..., D] to the same."""
    if not in_float32(x) or module.weight.requires_grad:
        return type(module).forward(module, x)
    return _Normed.apply(x, module.weight, module.variance_epsilon)


def _noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def _is_attention(module: Any) -> bool:
    """Tell whether a module has the parts of such an attention and computes `attended` on random numbers."""
    if {name for name, _ in module.named_children()} != ATTENTION or not hasattr(module, "scaling"):
        return False
    if getattr(module, "sliding_window", None) is not None:  # on so short a row it would change nothing
        return False
    weight = getattr(module.q_proj, "weight", None)
    if weight is None or weight.dtype is not torch.float32 or weight.device.type != "cpu":
        return False
    x, angles = _noise(1, 5, weight.shape[1]), _noise(1, 5, module.head_dim // 2)
    given = {
        "position_embeddings": (angles.cos().repeat(1, 1, 2), angles.sin().repeat(1, 1, 2)),
        "attention_mask": None,
        "spans": (Span(0, 2, ((2, 3), (3, 5))),),
    }
    config, before = module.config, module.config._attn_implementation
    config._attn_implementation = TREES
    try:
        return alike(attended(module, x, **given)[0], module.forward(x, **given)[0])
    except (TypeError, ValueError, RuntimeError):  # it takes other arguments, or turns part of a head
        return False
    finally:
        config._attn_implementation = before


def _is_norm(module: Any) -> bool:
    """Tell whether a module is an RMSNorm, by its parameters and by its results on random numbers."""
    if [name for name, _ in module.named_parameters()] != ["weight"] or not hasattr(
        module, "variance_epsilon"
    ):
        return False
    weight = module.weight
    if weight.dtype is not torch.float32 or weight.device.type != "cpu":
        return False
    x = _noise(3, len(weight))
    return alike(_Normed.apply(x, weight, module.variance_epsilon), module.forward(x))


_KINDS: tuple[tuple[Callable, Callable], ...] = ((_is_attention, attended), (_is_norm, normed))


@torch.no_grad()
def fuse_layers(model: nn.Module) -> int:
    """Give every module that computes the same `gated` or a forward above; return the number of modules."""
    gates = fuse_gates(model)
    found = [
        (module, forward)
        for module in model.modules()
        for recognised, forward in _KINDS
        if "forward" not in vars(module) and recognised(module)
    ]
    for module, forward in found:
        module.forward = MethodType(forward, module)  # a method: copies run on their own weights
    return gates + len(found)


def is_fused(module: nn.Module) -> bool:
    """Tell whether a module's forward is one of truing's, whose results equal those of transformers."""
    own = getattr(vars(module).get("forward"), "__func__", None)
    return own in (gated, *(forward for _, forward in _KINDS))
