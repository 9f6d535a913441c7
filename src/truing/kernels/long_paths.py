"""Attention of long branches on a CPU without a mask of all pairs, which would grow as their product.

    behind   the last tokens of a path, split where the path's earlier tokens end: all of those, then causal
    windowed a stretch of the path at a time, each with the tokens that its window reaches

PyTorch's fused kernel makes no mask where a product is whole or causal, and returns the logarithm of each
row's sum beside its result. Results of two parts are joined by these sums. In backward each part is given the
joined result and the joined sum, and its gradient is exact (arXiv:2310.01889). Autocast does not know these
parts, so tensors are cast here as it would cast those of one call.
"""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

LONG = 1 << 22  # pairs of query and key; below, a mask is small
STRETCH = 512  # most tokens of a path that attend in one call under a window

_forward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


class _Behind(torch.autograd.Function):
    """Queries [1, H, m, D] over keys and values [1, H, n, D], the last m of which are their own."""

    @staticmethod
    def forward(ctx, query: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
        before = keys.shape[2] - query.shape[2]
        parts = [
            _forward(query, keys[:, :, :before], values[:, :, :before], 0.0, False, scale=scale),
            _forward(query, keys[:, :, before:], values[:, :, before:], 0.0, True, scale=scale),
        ]
        sums = torch.logaddexp(parts[0][1], parts[1][1])  # [1, H, m] f32
        shares = [(part[1] - sums).exp()[..., None].to(query.dtype) for part in parts]
        joined = parts[0][0] * shares[0] + parts[1][0] * shares[1]
        ctx.save_for_backward(query, keys, values, joined, sums)
        ctx.scale, ctx.before = scale, before
        return joined

    @staticmethod
    def backward(ctx, grad: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        query, keys, values, joined, sums = ctx.saved_tensors
        grad, before = grad.contiguous(), ctx.before
        found = [
            _backward(
                grad, query, keys[:, :, part], values[:, :, part], joined, sums, 0.0, causal, scale=ctx.scale
            )
            for part, causal in ((slice(before), False), (slice(before, None), True))
        ]
        first, own = found
        grad_keys, grad_values = (torch.cat([first[at], own[at]], 2) for at in (1, 2))
        return first[0] + own[0], grad_keys, grad_values, None


def _cast(*parts: Tensor) -> tuple[Tensor, ...]:
    """Return tensors in the format that autocast gives those of an attention call."""
    if not torch.is_autocast_enabled("cpu"):
        return parts
    return tuple(part.to(torch.get_autocast_dtype("cpu")) for part in parts)


def _spread(part: Tensor, heads: int) -> Tensor:
    """Give every query head its own copy of the keys or values it shares, [1, K, n, D] to [1, H, n, D]."""
    return part if part.shape[1] == heads else part.repeat_interleave(heads // part.shape[1], 1)


def behind(query: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
    """Let the last m of a path's n tokens attend to themselves and all before them, [1, H, m, D]."""
    query, keys, values = _cast(query, keys, values)
    heads = query.shape[1]
    found = _Behind.apply(query, _spread(keys, heads), _spread(values, heads), scale)
    assert isinstance(found, Tensor)
    return found


@lru_cache(maxsize=4)
@torch.inference_mode(False)  # a mask made while sampling may serve a pass that has a backward
def _band(rows: int, window: int, dtype: torch.dtype) -> Tensor:
    """Make the mask of `rows` tokens over themselves and the window before the first of them.

    Shape [rows, window - 1 + rows], 0 where one may attend. Fewer rows or columns take its last ones.
    """
    ahead = torch.arange(window - 1 + rows)[None, :] - torch.arange(rows)[:, None]
    allowed = (ahead >= 0) & (ahead < window)
    return torch.zeros(allowed.shape, dtype=dtype).masked_fill(~allowed, float("-inf"))


def windowed(query: Tensor, keys: Tensor, values: Tensor, scale: float, window: int) -> Tensor:
    """Attend as `behind`, each token to the last `window` of its path; stretches share one mask."""
    query, keys, values = _cast(query, keys, values)
    m, n = query.shape[2], keys.shape[2]
    gqa, size = query.shape[1] != keys.shape[1], min(STRETCH, max(window, 64))
    band, found = _band(size, window, query.dtype), []
    for start in range(0, m, size):
        end = min(m, start + size)
        low, high = max(0, n - m + start - window + 1), n - m + end
        mask = band[start - end :, low - high :]
        parts = query[:, :, start:end], keys[:, :, low:high], values[:, :, low:high]
        found.append(scaled_dot_product_attention(*parts, attn_mask=mask, scale=scale, enable_gqa=gqa))
    return torch.cat(found, 2)


def forget_bands() -> None:
    """Drop the masks that are kept: those made under FakeTensorMode have no numbers."""
    _band.cache_clear()
