"""Tree attention on CPU: short trees in batched products, long trees by joined branches or by paths.

PyTorch's fused CPU kernel spends most of its time on overhead below some two hundred tokens, and twice
that in backward. Short trees are therefore lined up in one padded batch under a tree mask and go through
plain batched products. The branches of a longer tree attend to its prompt in one product, if their lengths
are alike and their scores are few enough to keep. Other long trees take one causal call per path, which
computes no forbidden score and keeps none; for long branches behind long prompts, `long_paths` makes no mask.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from truing.data.packing import Span
from truing.kernels.long_paths import LONG, behind, forget_bands, windowed

SHORT = 256  # tokens of the longest tree that is lined up with others
FEW_SCORES = 1 << 22  # most scores of a layer that branches taken together may keep for backward
FILLED = 0.7  # least share of tokens among the slots of branches padded to the longest
_ROUND = 32  # padding goes to a multiple of this, so that few kernels are built
_KEPT = 8  # every layer of a pass asks for the same plan, forward and backward


def path_attention(query: Tensor, keys: Tensor, values: Tensor, scale: float, window: int | None) -> Tensor:
    """Let the last m of a path's n tokens attend to themselves and all before them, [1, H, m, D]."""
    m, n = query.shape[2], keys.shape[2]
    gqa = query.shape[1] != keys.shape[1]
    if m == n and (window is None or n <= window):
        return scaled_dot_product_attention(query, keys, values, is_causal=True, scale=scale, enable_gqa=gqa)
    if m * n >= LONG:
        if window is None or n <= window:
            return behind(query, keys, values, scale)
        return windowed(query, keys, values, scale, window)
    last = torch.arange(n - m, n, device=query.device)[:, None]
    ahead = torch.arange(n, device=query.device)[None, :] - last
    allowed = ahead <= 0 if window is None else (ahead <= 0) & (ahead > -window)
    return scaled_dot_product_attention(query, keys, values, attn_mask=allowed, scale=scale, enable_gqa=gqa)


def tree_by_paths(
    query: Tensor, key: Tensor, value: Tensor, span: Span, scale: float, window: int | None
) -> Tensor:
    """Attend within one tree behind its root, path by path, [1, H, length of both, D] to the same.

    Parts are cut by `split`, whose gradient is one concatenation; a slice's gradient is a whole row of zeros.
    """
    prompt = span.root + span.prompt_end - span.start
    sizes = [end - start for start, end in span.branches] or [0]
    sizes[0] += prompt
    queries, keys, values = (part.split(sizes, 2) for part in (query, key, value))
    parts = [path_attention(queries[0], keys[0], values[0], scale, window)]
    if len(sizes) > 1:
        before = keys[0][:, :, :prompt], values[0][:, :, :prompt]
        for own, *context in zip(queries[1:], keys[1:], values[1:], strict=True):
            path = [torch.cat(both, dim=2) for both in zip(before, context, strict=True)]
            parts.append(path_attention(own, path[0], path[1], scale, window))
    return torch.cat(parts, dim=2)


@dataclass(frozen=True)
class Siblings:
    """Branches of one tree as one batch of B rows of m slots, beside a prompt padded to P columns."""

    take: Tensor  # [B * m] int64, where each slot comes from among the branches' tokens
    put: Tensor  # [tokens of the branches] int64, the slot of each
    mask: Tensor  # [m, P + m] f32, 0 where a slot may attend and -inf elsewhere
    prompt: int  # P
    slots: int  # m


@lru_cache(maxsize=_KEPT)
@torch.inference_mode(False)  # a plan made while sampling may serve a pass that has a backward
def siblings(prompt: int, lengths: tuple[int, ...]) -> Siblings:
    """Plan the batch for a prompt and branches of these lengths; the other layers of the pass reuse it."""
    slots, columns = (count + -count % _ROUND for count in (max(lengths), prompt))
    starts = [sum(lengths[:place]) for place in range(len(lengths))]
    take = [
        start + (at if at < length else 0)
        for start, length in zip(starts, lengths, strict=True)
        for at in range(slots)
    ]
    put = [place * slots + at for place, length in enumerate(lengths) for at in range(length)]
    mask = torch.zeros(slots, columns + slots)
    mask[:, prompt:columns] = float("-inf")
    mask[:, columns:] = torch.full((slots, slots), float("-inf")).triu(1)
    return Siblings(torch.tensor(take), torch.tensor(put), mask, columns, slots)


def branches_together(
    query: Tensor, keys: Sequence[Tensor], values: Sequence[Tensor], plan: Siblings, scale: float
) -> Tensor:
    """Attend in all branches of a tree behind its prompt, [1, H, tokens of the branches, D] to the same.

    `keys` and `values`: the prompt's and the branches', [1, K, tokens, D]. Heads that share a key are rows of
    one product.
    """
    heads, groups, dim = query.shape[1], keys[0].shape[1], query.shape[3]
    shared, m = heads // groups, plan.slots
    count = len(plan.take) // m

    def gathered(part: Tensor) -> Tensor:
        """Gather tokens into slots, [1, h, tokens, D] to [K, h / K, B, m, D]."""
        rows = part[0].transpose(0, 1).index_select(0, plan.take)
        return rows.view(count, m, groups, -1, dim).permute(2, 3, 0, 1, 4)

    def of_prompt(part: Tensor) -> Tensor:
        return pad(part[0], (0, 0, 0, plan.prompt - part.shape[2]))

    def by_branch(part: Tensor) -> Tensor:
        """Put every branch of every key head in a row, [K, s, B, m, X] to [K * B, s * m, X]."""
        return part.transpose(1, 2).reshape(groups * count, -1, part.shape[-1])

    rows = gathered(query) * scale
    before = torch.bmm(rows.reshape(groups, -1, dim), of_prompt(keys[0]).transpose(1, 2))
    own = torch.bmm(by_branch(rows), by_branch(gathered(keys[1])).transpose(1, 2))
    own = own.view(groups, count, shared, m, m).transpose(1, 2)
    scores = torch.cat([before.view(groups, shared, count, m, -1), own], -1)
    weights = (scores + plan.mask.to(scores.dtype)).softmax(-1)
    before, own = weights.split([plan.prompt, m], -1)
    mixed = torch.bmm(before.reshape(groups, -1, plan.prompt), of_prompt(values[0]))
    mixed_own = torch.bmm(by_branch(own), by_branch(gathered(values[1])))
    mixed_own = mixed_own.view(groups, count, shared, m, dim).transpose(1, 2)
    mixed = mixed.view(groups, shared, count, m, dim) + mixed_own
    slots = mixed.permute(2, 3, 0, 1, 4).reshape(-1, heads, dim)
    return slots.index_select(0, plan.put).transpose(0, 1)[None]


def goes_together(span: Span, query: Tensor, window: int | None) -> bool:
    """Tell whether this tree is faster with its branches together; `query` is [1, H, tokens, D].

    In float32 it is not: the fused kernel is as fast.
    """
    lengths = [end - start for start, end in span.branches]
    if len(lengths) < 2 or window is not None or query.dtype is torch.float32:
        return False
    slots = len(lengths) * max(lengths)
    few = slots * query.shape[1] * (span.branches[0][0] + max(lengths)) <= FEW_SCORES
    return few and sum(lengths) >= FILLED * slots


def tree_together(query: Tensor, key: Tensor, value: Tensor, span: Span, scale: float) -> Tensor:
    """Attend within one tree and its root, branches together, [1, H, length of both, D] to the same."""
    prompt, lengths = span.branches[0][0], tuple(end - start for start, end in span.branches)
    (asked, said), keys, values = (part.split([prompt, sum(lengths)], 2) for part in (query, key, value))
    first = path_attention(asked, keys[0], values[0], scale, None)
    plan = siblings(prompt, lengths)
    return torch.cat([first, branches_together(said, keys, values, plan, scale)], dim=2)


@dataclass(frozen=True)
class Lineup:
    """Short trees of a row as one batch of n x W slots, with the indices that fill and empty the slots."""

    take: Tensor  # [n * W] int64, row index of every slot; padding repeats the tree's first token
    put: Tensor  # [tokens of these trees] int64, slot of every token, in row order
    mask: Tensor  # [n, 1, W, W] f32, 0 where a slot may attend and -inf elsewhere
    count: int


def _size(span: Span) -> int:
    """Count the tokens of a tree with the root it shares."""
    return span.root + span.end - span.start


def _tree_mask(span: Span, width: int, window: int | None) -> Tensor:
    """Make the mask of a tree, [W, W] f32. Padding attends to the first token: an empty row would be nan."""
    size, depth, ahead = _size(span), torch.arange(width), span.root - span.start
    branch = torch.full((width,), -1)
    for number, (start, end) in enumerate(span.branches):
        branch[start + ahead : end + ahead] = number
        first = span.prompt_end + ahead
        depth[start + ahead : end + ahead] = torch.arange(first, first + end - start)
    index = torch.arange(width)
    allowed = (branch[None, :] < 0) | (branch[:, None] == branch[None, :])
    allowed &= index[:, None] >= index[None, :]
    if window is not None:
        allowed &= depth[:, None] - depth[None, :] < window
    allowed[size:] = False
    allowed[:, size:] = False
    allowed[size:, 0] = True
    return torch.zeros(width, width).masked_fill(~allowed, float("-inf"))


@lru_cache(maxsize=_KEPT)
@torch.inference_mode(False)
def line_up(spans: tuple[Span, ...], window: int | None) -> Lineup:
    """Plan the batch for these trees; the other layers of the pass reuse the plan."""
    width = max(map(_size, spans))
    width += -width % _ROUND
    root = spans[0].root
    take, put = [], list(range(root))  # the root's states are taken from the first tree
    for number, span in enumerate(spans):
        own = [*range(root), *range(span.start, span.end)]
        take += own + own[:1] * (width - len(own))
        put += range(number * width + root, number * width + len(own))
    mask = torch.stack([_tree_mask(span, width, window) for span in spans])[:, None]
    return Lineup(torch.tensor(take), torch.tensor(put), mask, len(spans))


def trees_lined_up(
    query: Tensor, key: Tensor, value: Tensor, spans: tuple[Span, ...], scale: float, window: int | None
) -> Tensor:
    """Attend in short trees of a row, [1, H, L, D] to [1, H, tokens of these trees and their root, D]."""
    plan = line_up(spans, window)
    heads, groups, dim = query.shape[1], key.shape[1], query.shape[3]
    shared, width = heads // groups, len(plan.take) // plan.count

    def gathered(part: Tensor) -> Tensor:
        """Gather tokens into slots, [1, h, L, D] to [n, h, W, D]."""
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
    """Attend in all trees of a packed row, in row order. Runs of short trees are lined up."""
    runs, root = _runs(spans), spans[0].root
    sizes = [run[-1].end - run[0].start for run in runs]
    tail = query.shape[2] - spans[-1].end  # tokens of no tree
    cut = [part.split([root, *sizes, tail], 2) for part in (query, key, value)]
    mixed = []
    for place, run in enumerate(runs, 1):
        own = [torch.cat([parts[0], parts[place]], 2) if root else parts[place] for parts in cut]
        found = _run(tuple(_moved(span, run[0].start - root) for span in run), own, scale, window)
        # Every run has the root's states; they are taken from the first.
        mixed.append(found if place == 1 or not root else found.split([root, sizes[place - 1]], 2)[1])
    return mixed[0] if len(mixed) == 1 else torch.cat(mixed, dim=2)


def _runs(spans: tuple[Span, ...]) -> list[list[Span]]:
    """Group neighbouring short trees; every long tree is a group of its own."""
    runs: list[list[Span]] = []
    for span in spans:
        if _size(span) <= SHORT and runs and _size(runs[-1][-1]) <= SHORT:
            runs[-1].append(span)
        else:
            runs.append([span])
    return runs


def _moved(span: Span, start: int) -> Span:
    """Move a span into a row that begins at `start` of its old row; the root keeps its length."""
    branches = tuple((a - start, b - start) for a, b in span.branches)
    return Span(span.start - start, span.prompt_end - start, branches, span.root)


def forget_plans() -> None:
    """Drop the plans that are kept: those made under FakeTensorMode have no numbers."""
    siblings.cache_clear()
    line_up.cache_clear()
    forget_bands()


def _run(spans: tuple[Span, ...], own: list[Tensor], scale: float, window: int | None) -> Tensor:
    query, key, value = own
    if _size(spans[0]) <= SHORT:
        return trees_lined_up(query, key, value, spans, scale, window)
    if goes_together(spans[0], query, window):
        return tree_together(query, key, value, spans[0], scale)
    return tree_by_paths(query, key, value, spans[0], scale, window)
