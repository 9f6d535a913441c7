"""Attention over packed trees: a token sees its own tree's prompt and its own branch, earlier only.

Registered with transformers under `TREES`, so any model that goes through its attention interface can
run packed rows. Two implementations of the one rule:

    CPU    `attention_cpu`: short trees lined up in batched products, long ones path by path.
    CUDA   one FlexAttention call under a block mask.

Left out on purpose: attention dropout (training here always switches it off) and soft-capped scores; a
model with the latter is scored in padded rows instead.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from truing.data.packing import Span
from truing.kernels.attention_cpu import trees_on_cpu
from truing.kernels.families import attention_kind, caps_attention

TREES = "truing_trees"


def _on_cpu(
    query: Tensor, key: Tensor, value: Tensor, spans: tuple[Span, ...], scale: float, window: int | None
) -> Tensor:
    """[1, H, L, D] queries and [1, Hkv, L, D] keys and values to [1, H, L, D]."""
    mixed = trees_on_cpu(query, key, value, spans, scale, window)
    tail = query.shape[2] - spans[-1].end  # tokens of no tree, there to round the row's length up
    return torch.cat([mixed, torch.zeros_like(query[:, :, :tail])], dim=2) if tail else mixed


def _by_blocks(
    query: Tensor, key: Tensor, value: Tensor, spans: tuple[Span, ...], scale: float, window: int | None
) -> Tensor:
    """The same through FlexAttention; the block mask is built once per batch and window."""
    from truing.kernels.flex import flex_trees

    return flex_trees(query, key, value, spans, scale, window)


def _require_known_rule(module: torch.nn.Module, window: int | None) -> None:
    """Raises ValueError in a layer that keeps part of its rule to the mask it would have made itself.

    On short rows such a window or chunk changes nothing, so a trial run alone would not find it.
    """
    layer: Any = module
    kind = attention_kind(layer.config, layer.layer_idx)
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
    run = _by_blocks if query.is_cuda else _on_cpu
    mixed = run(query, key, value, spans, scale, sliding_window)
    return mixed.transpose(1, 2).contiguous(), None


ALL_ATTENTION_FUNCTIONS.register(TREES, tree_attention)


def takes_trees(model: PreTrainedModel) -> bool:
    """Whether a model goes through transformers' attention interface and needs nothing we left out."""
    capped = caps_attention(model.config.get_text_config())
    return bool(getattr(model, "_supports_attention_backend", False)) and not capped


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
