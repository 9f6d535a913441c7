"""Tree attention on CPU: short trees together in batched products, long ones path by path.

PyTorch's fused CPU kernel spends most of its time on overhead below some two hundred tokens, and twice
that in backward. Short trees are therefore lined up in one padded batch under a tree mask and go through
plain batched products; long trees take one causal call per path, where nothing forbidden is computed.
"""

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from truing.data.packing import Span

SHORT = 256  # tokens of the longest tree that is lined up with others
_ROUND = 32  # lined-up trees are padded to a multiple of this, so that few kernels are built
_KEPT = 8  # every layer of a pass asks for the same plan, forward and backward


def path_attention(query: Tensor, keys: Tensor, values: Tensor, scale: float, window: int | None) -> Tensor:
    """The last m tokens of a path of n attend to all that is before them on it. [1, H, m, D]."""
    m, n = query.shape[2], keys.shape[2]
    gqa = query.shape[1] != keys.shape[1]
    if m == n and (window is None or n <= window):
        return scaled_dot_product_attention(query, keys, values, is_causal=True, scale=scale, enable_gqa=gqa)
    last = torch.arange(n - m, n, device=query.device)[:, None]
    ahead = torch.arange(n, device=query.device)[None, :] - last
    allowed = ahead <= 0 if window is None else (ahead <= 0) & (ahead > -window)
    return scaled_dot_product_attention(query, keys, values, attn_mask=allowed, scale=scale, enable_gqa=gqa)


def tree_by_paths(
    query: Tensor, key: Tensor, value: Tensor, span: Span, scale: float, window: int | None
) -> Tensor:
    """One tree of a packed row, [1, H, L, D] to [1, H, length of the tree, D]."""
    trunk = slice(span.start, span.branches[0][1] if span.branches else span.prompt_end)
    parts = [path_attention(query[:, :, trunk], key[:, :, trunk], value[:, :, trunk], scale, window)]
    prompt = slice(span.start, span.prompt_end)
    for start, end in span.branches[1:]:
        keys = torch.cat([key[:, :, prompt], key[:, :, start:end]], dim=2)
        values = torch.cat([value[:, :, prompt], value[:, :, start:end]], dim=2)
        parts.append(path_attention(query[:, :, start:end], keys, values, scale, window))
    return torch.cat(parts, dim=2)


@dataclass(frozen=True)
class Lineup:
    """Short trees of a row as one batch: where its n x W slots come from, and where they go back to."""

    take: Tensor  # [n * W] int64, row index of every slot; padding repeats the tree's first token
    put: Tensor  # [tokens of these trees] int64, slot of every token, in row order
    mask: Tensor  # [n, 1, W, W] f32, 0 where a slot may attend and -inf elsewhere
    count: int


_plans: OrderedDict[tuple, Lineup] = OrderedDict()


def _tree_mask(span: Span, width: int, window: int | None) -> Tensor:
    """[W, W] f32. Padding attends to the first token: an empty softmax row would be nan."""
    size, depth = span.end - span.start, torch.arange(width)
    branch = torch.full((width,), -1)
    for number, (start, end) in enumerate(span.branches):
        branch[start - span.start : end - span.start] = number
        first = span.prompt_end - span.start
        depth[start - span.start : end - span.start] = torch.arange(first, first + end - start)
    index = torch.arange(width)
    allowed = (branch[None, :] < 0) | (branch[:, None] == branch[None, :])
    allowed &= index[:, None] >= index[None, :]
    if window is not None:
        allowed &= depth[:, None] - depth[None, :] < window
    allowed[size:] = False
    allowed[:, size:] = False
    allowed[size:, 0] = True
    return torch.zeros(width, width).masked_fill(~allowed, float("-inf"))


def line_up(spans: tuple[Span, ...], window: int | None) -> Lineup:
    """The plan for these trees, made once and kept for the other layers of the pass."""
    key = (spans, window)
    if key in _plans:
        _plans.move_to_end(key)
        return _plans[key]
    width = max(span.end - span.start for span in spans)
    width += -width % _ROUND
    take, put = [], []
    for number, span in enumerate(spans):
        size = span.end - span.start
        take += [*range(span.start, span.end), *[span.start] * (width - size)]
        put += range(number * width, number * width + size)
    mask = torch.stack([_tree_mask(span, width, window) for span in spans])[:, None]
    _plans[key] = Lineup(torch.tensor(take), torch.tensor(put), mask, len(spans))
    while len(_plans) > _KEPT:
        _plans.popitem(last=False)
    return _plans[key]


def trees_lined_up(
    query: Tensor, key: Tensor, value: Tensor, spans: tuple[Span, ...], scale: float, window: int | None
) -> Tensor:
    """Short trees of a packed row, [1, H, L, D] to [1, H, tokens of these trees, D]."""
    plan = line_up(spans, window)
    heads, groups, dim = query.shape[1], key.shape[1], query.shape[3]
    shared, width = heads // groups, len(plan.take) // plan.count

    def gathered(part: Tensor) -> Tensor:
        """[1, h, L, D] to [n, h, W, D]."""
        slots = part[0].transpose(0, 1).index_select(0, plan.take)
        return slots.view(plan.count, width, -1, dim).transpose(1, 2)

    # Heads that share a key lie next to each other: [n * groups, shared * W, D].
    queries = (gathered(query) * scale).reshape(plan.count * groups, shared * width, dim)
    keys = gathered(key).reshape(plan.count * groups, width, dim)
    values = gathered(value).reshape(plan.count * groups, width, dim)
    scores = torch.bmm(queries, keys.transpose(1, 2)).view(plan.count, heads, width, width)
    weights = (scores + plan.mask.to(scores.dtype)).softmax(-1)
    mixed = torch.bmm(weights.view(plan.count * groups, shared * width, width), values)
    slots = mixed.view(plan.count, heads, width, dim).transpose(1, 2).reshape(-1, heads, dim)
    return slots.index_select(0, plan.put).transpose(0, 1)[None]


def trees_on_cpu(
    query: Tensor, key: Tensor, value: Tensor, spans: tuple[Span, ...], scale: float, window: int | None
) -> Tensor:
    """All trees of a packed row, in row order. Runs of short trees are lined up."""
    parts: list[Tensor] = []
    short: list[Span] = []

    def flush() -> None:
        if short:
            parts.append(trees_lined_up(query, key, value, tuple(short), scale, window))
            short.clear()

    for span in spans:
        if span.end - span.start <= SHORT:
            short.append(span)
            continue
        flush()
        parts.append(tree_by_paths(query, key, value, span, scale, window))
    flush()
    return torch.cat(parts, dim=2)
