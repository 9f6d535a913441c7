"""Attention over packed trees: a token sees the earlier tokens of its tree's prompt and of its own branch.

Registered with transformers under `TREES`, so any model that goes through its attention interface can
run packed rows. Two implementations of the one rule:

    CPU    `attention_cpu`: short trees lined up in batched products, long ones path by path.
    CUDA   one FlexAttention call under a block mask.

Left out on purpose: attention dropout (training here always switches it off) and soft-capped scores; a
model with soft-capped scores is scored in padded rows instead.
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
    """Attend on a CPU: [1, H, L, D] queries and [1, Hkv, L, D] keys and values to [1, H, L, D]."""
    mixed = trees_on_cpu(query, key, value, spans, scale, window)
    tail = query.shape[2] - spans[-1].end  # tokens of no tree, there to round the row's length up
    return torch.cat([mixed, torch.zeros_like(query[:, :, :tail])], dim=2) if tail else mixed


def _by_blocks(
    query: Tensor, key: Tensor, value: Tensor, spans: tuple[Span, ...], scale: float, window: int | None
) -> Tensor:
    """Attend as `_on_cpu`, through FlexAttention; the block mask is built once per batch and window."""
    from truing.kernels.flex import flex_trees

    return flex_trees(query, key, value, spans, scale, window)


def _require_known_rule(module: torch.nn.Module, window: int | None) -> None:
    """Raise ValueError for a layer whose window or chunk is only in its own mask, which trees replace.

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
    """Attend in a layer of transformers, which calls this function. Returns [1, L, H, D]."""
    _require_known_rule(module, sliding_window)
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    run = _by_blocks if query.is_cuda else _on_cpu
    mixed = run(query, key, value, spans, scale, sliding_window)
    return mixed.transpose(1, 2).contiguous(), None


ALL_ATTENTION_FUNCTIONS.register(TREES, tree_attention)


def takes_trees(model: PreTrainedModel) -> bool:
    """Tell whether a model uses transformers' attention interface and needs nothing that is left out here."""
    capped = caps_attention(model.config.get_text_config())
    return bool(getattr(model, "_supports_attention_backend", False)) and not capped


@contextmanager
def using_trees(model: PreTrainedModel) -> Iterator[None]:
    """Make the model's layers call `tree_attention` in the block, and their own attention after it."""
    config = model.config.get_text_config()
    before = config._attn_implementation
    config._attn_implementation = TREES
    try:
        yield
    finally:
        config._attn_implementation = before
