"""Tree attention on CUDA: FlexAttention under a block mask made from the spans of a packed row."""

from collections import OrderedDict

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from truing.data.packing import Span

_compiled = torch.compile(flex_attention, dynamic=True)
_masks: OrderedDict[tuple, BlockMask] = OrderedDict()
ROOT = -2  # the number of no tree: all of them begin with it
_KEPT_MASKS = 8  # every layer of a pass asks for the same one; checkpointing asks again in backward


def _labels(spans: tuple[Span, ...], length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return tree number, branch number (-1 on the prompt) and depth of every token, each [L] int32."""
    tree, branch, depth = (torch.full((length,), -1, dtype=torch.int32) for _ in range(3))
    root = spans[0].root
    tree[:root], depth[:root] = ROOT, torch.arange(root, dtype=torch.int32)
    for number, span in enumerate(spans):
        tree[span.start : span.end] = number
        prompt = root + span.prompt_end - span.start
        depth[span.start : span.prompt_end] = torch.arange(root, prompt, dtype=torch.int32)
        for b, (start, end) in enumerate(span.branches):
            branch[start:end] = b
            depth[start:end] = torch.arange(prompt, prompt + end - start, dtype=torch.int32)
    return tree, branch, depth


def tree_mask(spans: tuple[Span, ...], length: int, window: int | None, device: torch.device) -> BlockMask:
    """Make the block mask of a packed row: a token sees root, prompt and own branch up to itself."""
    key = (spans, length, window, device)
    if key in _masks:
        _masks.move_to_end(key)
        return _masks[key]
    tree, branch, depth = (part.to(device) for part in _labels(spans, length))

    def may_attend(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        own = (tree[k] == ROOT) | (tree[q] == tree[k])
        on_path = own & ((branch[k] < 0) | (branch[q] == branch[k])) & (q >= k)
        return on_path if window is None else on_path & (depth[q] - depth[k] < window)

    mask = create_block_mask(may_attend, None, None, length, length, device=device)
    _masks[key] = mask
    while len(_masks) > _KEPT_MASKS:
        _masks.popitem(last=False)
    return mask


def flex_trees(
    query: Tensor, key: Tensor, value: Tensor, spans: tuple[Span, ...], scale: float, window: int | None
) -> Tensor:
    """Attend in all trees: [1, H, L, D] queries and [1, Hkv, L, D] keys and values to [1, H, L, D]."""
    mask = tree_mask(spans, query.shape[2], window, query.device)
    gqa = query.shape[1] != key.shape[1]
    return _compiled(query, key, value, block_mask=mask, scale=scale, enable_gqa=gqa)
