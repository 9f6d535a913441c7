"""States that no step of training changes, computed once for every row.

    entry_states       the states that enter the lowest trained layer, where a pass can begin
    reference_states   the states from which the initial policy predicts the scored tokens of a row

Both are computed in passes that depend on the rows alone, so a resumed run finds the same bits. States that
would take more than LIMIT bytes are not kept but computed in every step.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn.functional import pad as pad_right

from truing.data.packing import PackedBatch, pack, shared_start
from truing.data.trees import Tree
from truing.kernels.attention import using_trees
from truing.kernels.logprobs import GRAIN
from truing.models.entry import Entry, entering_norm, key_of, only, path_of, untrained_below
from truing.models.passes import numbers_of, run_passes
from truing.models.reference import AdapterOff
from truing.models.scoring import Trunk, probe, without_dropout

LIMIT = 512 << 20  # bytes


def _bytes_of(scorer: Trunk, tokens: int) -> int:
    inner = scorer.inner
    return tokens * inner.config.get_text_config().hidden_size * inner.dtype.itemsize


@torch.no_grad()
def _lower(scorer: Trunk, batch: PackedBatch, depth: int) -> Tensor:
    """Return the states of a packed row after the lowest `depth` layers, [L, D]."""
    inner, found = scorer.inner, []
    tail = (0, -batch.tokens.shape[1] % GRAIN)
    given = {"input_ids": pad_right(batch.tokens, tail), "position_ids": pad_right(batch.positions, tail)}
    with scorer.cast(), using_trees(inner), only(inner, slice(depth)), entering_norm(inner, found):
        inner.base_model(**given, use_cache=False, spans=batch.spans)
    return found[0][0, : batch.tokens.shape[1]]


def _kept(scorer: Trunk, trees: Sequence[Tree], tokens_per_pass: int, depth: int) -> Entry:
    shared = shared_start([tree.prompt for tree in trees])
    root, kept = None, {}
    assert scorer.layout == "trees", "`may_keep` says so"
    numbered = dict(enumerate(trees))
    for batch, states in run_passes(numbered, scorer, tokens_per_pass, lambda b: _lower(scorer, b, depth)):
        for i, span in zip(batch.items, batch.spans or (), strict=True):
            path = states[path_of(span).to(states.device)]
            root = path[:shared].clone() if root is None else root
            kept[key_of(trees[i])] = path[shared:].clone()
    assert root is not None, "there is at least one tree"
    return Entry(depth, root, kept)


@torch.no_grad()
def _divides(scorer: Trunk, depth: int) -> bool:
    """Tell whether the upper layers, given the states of the lower, give the results of the whole model.

    A family may scale its input as embeddings, or count its layers from the first one that runs.
    """
    trees = probe(scorer.inner.config.get_text_config().vocab_size)
    batch = pack(trees).to(scorer.device)
    with without_dropout(scorer):
        whole = scorer.states(batch)
        scorer.entry = _kept(scorer, trees, len(batch.tokens[0]), depth)
        try:
            parts = scorer.states(batch)
        finally:
            scorer.entry = None
    return float((whole - parts).abs().max()) <= 1e-4 * float(whole.abs().max())


def may_keep(scorer: Trunk, trees: Iterable[Tree]) -> bool:
    """Tell whether rows are packed, the lowest layers do not train, and LIMIT is enough for the states."""
    if scorer.layout != "trees" or not untrained_below(scorer.inner):
        return False
    return all(_bytes_of(scorer, tokens) <= LIMIT for tokens in accumulate(map(len, trees)))


def entry_states(scorer: Trunk, trees: Sequence[Tree], tokens_per_pass: int) -> Entry | None:
    """Return the states that enter the lowest trained layer for every token of `trees`.

    None where the states may not be kept, or the model cannot be divided.
    """
    depth = untrained_below(scorer.inner)
    if not trees or not may_keep(scorer, trees) or not _divides(scorer, depth):
        return None
    return _kept(scorer, trees, tokens_per_pass, depth)


@dataclass(frozen=True)
class KeptStates:
    """A table of the reference's states of each item."""

    states: Mapping[int, Tensor]  # item to [n, D], those that predict its scored tokens in order

    def __call__(self, batch: PackedBatch) -> Tensor:
        return torch.cat([self.states[item] for item in batch.items])


def reference_states(
    scorer: Trunk, trees: Mapping[int, Tree], tokens_per_pass: int, start: AdapterOff
) -> KeptStates | None:
    """Return the states of `start` at every scored token of `trees`, or None where LIMIT is not enough."""
    scored = sum(branch.count for tree in trees.values() for branch in tree.branches)
    if not trees or _bytes_of(scorer, scored) > LIMIT:
        return None
    return KeptStates(numbers_of(trees, scorer, tokens_per_pass, start.states))
