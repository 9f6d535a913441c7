"""Attention over packed trees: a token sees its own tree's prompt and its own branch, earlier only.

Registered with transformers under `TREES`, so any model that goes through its attention interface can
run packed rows. Two implementations of the one rule:

    CPU    one causal SDPA call per path: prompt + first branch in place, every further branch behind
           its prompt's keys. No mask is stored and no forbidden pair is computed.
    CUDA   one FlexAttention call under a block mask.

Left out on purpose: attention dropout (training here always switches it off) and soft-capped scores; a
model with the latter is scored in padded rows instead.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from truing.data.packing import Span

TREES = "truing_trees"


def _path(query: Tensor, keys: Tensor, values: Tensor, scale: float, window: int | None) -> Tensor:
    """The last m tokens of a path of n attend to all that is before them on it. [1, H, m, D]."""
    m, n = query.shape[2], keys.shape[2]
    gqa = query.shape[1] != keys.shape[1]
    if m == n and (window is None or n <= window):
        return scaled_dot_product_attention(query, keys, values, is_causal=True, scale=scale, enable_gqa=gqa)
    ahead = (
        torch.arange(n, device=query.device)[None, :] - torch.arange(n - m, n, device=query.device)[:, None]
    )
    allowed = ahead <= 0 if window is None else (ahead <= 0) & (ahead > -window)
    return scaled_dot_product_attention(query, keys, values, attn_mask=allowed, scale=scale, enable_gqa=gqa)


def _by_paths(
    query: Tensor, key: Tensor, value: Tensor, spans: tuple[Span, ...], scale: float, window: int | None
) -> Tensor:
    """[1, H, L, D] queries and [1, Hkv, L, D] keys and values to [1, H, L, D]."""
    parts = []
    for span in spans:
        trunk = span.branches[0][1] if span.branches else span.prompt_end
        here = slice(span.start, trunk)
        parts.append(_path(query[:, :, here], key[:, :, here], value[:, :, here], scale, window))
        prompt = slice(span.start, span.prompt_end)
        for start, end in span.branches[1:]:
            keys = torch.cat([key[:, :, prompt], key[:, :, start:end]], dim=2)
            values = torch.cat([value[:, :, prompt], value[:, :, start:end]], dim=2)
            parts.append(_path(query[:, :, start:end], keys, values, scale, window))
    tail = query.shape[2] - spans[-1].end  # tokens of no tree, there to round the row's length up
    return torch.cat([*parts, torch.zeros_like(query[:, :, :tail])], dim=2)


def _by_blocks(
    query: Tensor, key: Tensor, value: Tensor, spans: tuple[Span, ...], scale: float, window: int | None
) -> Tensor:
    """The same through FlexAttention; the block mask is built once per batch and window."""
    from truing.models.flex import flex_trees

    return flex_trees(query, key, value, spans, scale, window)


def _require_known_rule(module: torch.nn.Module, window: int | None) -> None:
    """Raises ValueError in a layer that keeps part of its rule to the mask it would have made itself.

    On short rows such a window or chunk changes nothing, so a trial run alone would not find it.
    """
    config: Any = module.config
    types = getattr(config, "layer_types", None)  # families say it in one of these two ways
    windowed = "sliding_attention" if getattr(config, "sliding_window", None) else "full_attention"
    kind = types[module.layer_idx] if types else windowed
    if kind != "full_attention" and not (kind == "sliding_attention" and window):
        raise ValueError(f"its {kind} is not handed to the attention function")


def tree_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    spans: tuple[Span, ...],
    scaling: float | None = None,
    sliding_window: int | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """The attention function transformers calls in every layer. Returns [1, L, H, D]."""
    _require_known_rule(module, sliding_window)
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    run = _by_blocks if query.is_cuda else _by_paths
    mixed = run(query, key, value, spans, scale, sliding_window)
    return mixed.transpose(1, 2).contiguous(), None


ALL_ATTENTION_FUNCTIONS.register(TREES, tree_attention)


def takes_trees(model: PreTrainedModel) -> bool:
    """Whether a model goes through transformers' attention interface and needs nothing we left out."""
    config = model.config.get_text_config()
    softcap = getattr(config, "attn_logit_softcapping", None)  # only some families have it
    return bool(getattr(model, "_supports_attention_backend", False)) and not softcap


@contextmanager
def using_trees(model: PreTrainedModel) -> Iterator[None]:
    """Inside, the model's layers call `tree_attention`; outside they are as they were, for sampling."""
    config = model.config.get_text_config()
    before = config._attn_implementation
    config._attn_implementation = TREES
    try:
        yield
    finally:
        config._attn_implementation = before
