"""Token trees laid out for one forward pass: a prompt is computed once, however many branches share it.

Two layouts give the same numbers. `pack` puts whole trees end to end into one row without padding and
needs an attention that knows the tree; `pad` gives every branch its own right-padded row and needs
nothing. Every later stage sees flat targets `[N]` and never asks which one it was.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from truing.data.trees import Tree

Role = Literal[
    "learn", "whole", "retain", "mismatched", "crossed", "value", "ptx"
]  # the purpose of a pass; see objectives/offline.py

WORTH_SHARING = 32  # least number of tokens that a common start of trees must save to be shared


@dataclass(frozen=True)
class Span:
    """The place of one tree in a packed row: `[start, prompt_end)`, then one `[start, end)` per branch.

    Its prompt begins with the row's first `root` tokens, which all trees of the row share.
    """

    start: int
    prompt_end: int
    branches: tuple[tuple[int, int], ...]
    root: int = 0

    @property
    def end(self) -> int:
        return self.branches[-1][1] if self.branches else self.prompt_end


@dataclass(frozen=True)
class PackedBatch:
    """R rows of L tokens (R = 1 when packed), and the N scored tokens of the B branches they hold.

    Branches are numbered through in the order of the trees: a batch of preference pairs has chosen
    at 0, 2, 4 … and rejected at 1, 3, 5 ….
    """

    tokens: Tensor  # [R, L] int64
    positions: Tensor  # [R, L] int64, depth in its tree; branches continue from their prompt
    source: Tensor  # [N] int64, flat index into [R * L] of the state that predicts each target
    target: Tensor  # [N] int64
    response: Tensor  # [N] int64, the branch of each target, ascending, 0 .. B - 1
    branches: int  # B
    items: tuple[int, ...]  # the index of each tree in the data set, for caches and logs
    spans: tuple[Span, ...] | None  # where the trees lie; None when padded
    valid: Tensor | None  # [R, L] bool, False on padding; None when packed
    labels: Tensor  # [B] f32, the rows' label of each branch; 0 without one
    sizes: tuple[int, ...]  # branches of each tree, B in all
    role: Role = "learn"
    blank: bool = False  # run for the sake of other ranks: it counts for nothing

    @cached_property
    def lengths(self) -> Tensor:
        """Scored tokens per branch, [B] f32."""
        return torch.bincount(self.response, minlength=self.branches).float()

    @cached_property
    def first(self) -> Tensor:
        """Mark the first branch of every tree, [B] bool."""
        sizes = torch.tensor(self.sizes)
        first = torch.zeros(self.branches, dtype=torch.bool)
        first[sizes.cumsum(0) - sizes] = True
        return first.to(self.labels.device)

    def sums(self, values: Tensor) -> Tensor:
        """Sum per-token values, [N], over every branch, [B]."""
        return values.new_zeros(self.branches).index_add(0, self.response, values)

    def by_item(self, values: Tensor) -> dict[int, Tensor]:
        """Return the part of each tree in values of all targets, [N, ...], or of all branches, [B, ...].

        A branch has at least one target, so where N is B both are cut alike.
        """
        if len(values) == self.branches:
            sizes = list(self.sizes)
        else:
            sizes = [int(part.sum()) for part in self.lengths.cpu().split(self.sizes)]
        return dict(zip(self.items, values.split(sizes), strict=True))

    def to(self, device: torch.device | str) -> "PackedBatch":
        tensors = {f.name: value for f in fields(self) if isinstance(value := getattr(self, f.name), Tensor)}
        return replace(self, **{name: value.to(device, non_blocking=True) for name, value in tensors.items()})


def _targets(tree: Tree, starts: Sequence[int], last: int, first: int) -> Iterator[tuple[int, int, int]]:
    """Yield (source, target, branch) of every scored token; `last` is the last prompt token's flat index."""
    for number, (branch, start) in enumerate(zip(tree.branches, starts, strict=True)):
        for at, (token, scored) in enumerate(zip(branch.tokens, branch.scored, strict=True)):
            if scored:
                yield (start + at - 1 if at else last), token, first + number


def _finish(
    trees: Sequence[Tree],
    rows: list[list[int]],
    positions: list[list[int]],
    scored: list[tuple[int, int, int]],
    **others: Any,
) -> PackedBatch:
    width = max(map(len, rows))
    tokens = torch.zeros(len(rows), width, dtype=torch.long)
    places = torch.zeros_like(tokens)
    for r, (row, where) in enumerate(zip(rows, positions, strict=True)):
        tokens[r, : len(row)] = torch.tensor(row)
        places[r, : len(row)] = torch.tensor(where)
    table = torch.tensor(scored, dtype=torch.long).reshape(-1, 3)
    source, target, response = table.unbind(1)
    sizes = tuple(len(tree.branches) for tree in trees)
    return PackedBatch(
        tokens,
        places,
        source.clone(),
        target.clone(),
        response.clone(),
        branches=sum(sizes),
        labels=torch.tensor([x for tree in trees for x in tree.labels or [0.0] * len(tree.branches)]),
        sizes=sizes,
        **others,
    )


def shared_start(prompts: Sequence[Sequence[int]]) -> int:
    """Count the tokens that all prompts begin with, such as a system prompt; 0 where sharing saves little."""
    first, *others = prompts
    count = min(map(len, prompts))
    for prompt in others:
        count = next((at for at in range(count) if prompt[at] != first[at]), count)
    return count if count * len(others) >= WORTH_SHARING else 0


def pack(trees: Sequence[Tree], items: Iterable[int] = ()) -> PackedBatch:
    """Put whole trees end to end in one row, without padding; the common start of prompts stands once."""
    root = shared_start([tree.prompt for tree in trees])
    tokens: list[int] = list(trees[0].prompt[:root])
    positions: list[int] = list(range(root))
    scored: list[tuple[int, int, int]] = []
    spans: list[Span] = []
    first = 0
    for tree in trees:
        start, depth = len(tokens), len(tree.prompt)
        tokens.extend(tree.prompt[root:])
        positions.extend(range(root, depth))
        prompt_end = len(tokens)
        bounds = []
        for branch in tree.branches:
            bounds.append((len(tokens), len(tokens) + len(branch)))
            tokens.extend(branch.tokens)
            positions.extend(range(depth, depth + len(branch)))
        last = prompt_end - 1 if depth > root else root - 1
        scored += _targets(tree, [b[0] for b in bounds], last, first)
        spans.append(Span(start, prompt_end, tuple(bounds), root))
        first += len(tree.branches)
    return _finish(trees, [tokens], [positions], scored, items=tuple(items), spans=tuple(spans), valid=None)


def pad(trees: Sequence[Tree], items: Iterable[int] = ()) -> PackedBatch:
    """Put every branch behind its own copy of the prompt, right-padded, as any model can read it."""
    rows = [[*tree.prompt, *branch.tokens] for tree in trees for branch in tree.branches]
    width = max(map(len, rows))
    scored: list[tuple[int, int, int]] = []
    first = 0
    for tree in trees:
        for branch in tree.branches:
            last = first * width + len(tree.prompt) - 1
            scored += _targets(Tree(tree.prompt, (branch,)), [last + 1], last, first)
            first += 1
    lengths = torch.tensor([len(row) for row in rows])
    valid = torch.arange(width)[None] < lengths[:, None]
    positions = [list(range(len(row))) for row in rows]
    return _finish(trees, rows, positions, scored, items=tuple(items), spans=None, valid=valid)


LAYOUTS = {"trees": pack, "padded": pad}


def _cost(tree: Tree, layout: str) -> int:
    """Count the tokens that a tree takes in a pass."""
    return len(tree) if layout == "trees" else tree.longest * len(tree.branches)


def balanced(trees: Sequence[Tree], ranks: int, layout: str) -> list[list[int]]:
    """Share indices of `trees` out over ranks by tokens: the largest first, to the rank with the fewest."""
    shares: list[list[int]] = [[] for _ in range(ranks)]
    load = [0] * ranks
    for i in sorted(range(len(trees)), key=lambda i: -_cost(trees[i], layout)):
        rank = load.index(min(load))
        shares[rank].append(i)
        load[rank] += _cost(trees[i], layout)
    return [sorted(share) for share in shares]


def split_into_passes(trees: Sequence[Tree], tokens_per_pass: int, layout: str) -> list[list[int]]:
    """Group indices of `trees` into passes of at most `tokens_per_pass`; a larger tree has its own pass.

    Padding counts. Longest first into the fullest pass with room: few passes, and rows of alike length
    where rows are padded.
    """
    packed = layout == "trees"
    width = [len(tree) if packed else tree.longest for tree in trees]
    passes: list[list[int]] = []
    room: list[tuple[int, int]] = []  # (tokens, or rows of the first tree's width; minus the pass), ascending
    for i in sorted(range(len(trees)), key=lambda i: -width[i]):
        cost = width[i] if packed else len(trees[i].branches)
        at = bisect_left(room, (cost, -len(passes)))
        if at < len(room):
            free, key = room.pop(at)
        else:
            free, key = tokens_per_pass if packed else tokens_per_pass // width[i], -len(passes)
            passes.append([])
        passes[-key].append(i)
        if free > cost:
            insort(room, (free - cost, key))
    return [sorted(group) for group in passes]
