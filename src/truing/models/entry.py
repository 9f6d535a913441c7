"""Parts of a model's layers: the lowest layers that nothing trains, and a pass through some layers.

For models whose trunk is `embed_tokens`, a list `layers` and a final `norm`, as the Llama family's is.
`Entry` holds the states that enter the first trained layer, so that a pass can begin there.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from truing.data.packing import PackedBatch, Span
from truing.data.trees import Tree


def untrained_below(model: PreTrainedModel) -> int:
    """Count the lowest layers without training; 0 if the embeddings below train, or for other trunks."""
    trunk = model.base_model
    layers, norm = getattr(trunk, "layers", None), getattr(trunk, "norm", None)  # families differ in these
    head = model.get_output_embeddings()
    if not isinstance(layers, nn.ModuleList) or not isinstance(norm, nn.Module) or head is None:
        return 0
    known = {id(p) for part in (*layers, norm, head) for p in part.parameters()}
    below = [*model.get_input_embeddings().parameters()]
    below += [parameter for parameter in model.parameters() if id(parameter) not in known]
    if any(parameter.requires_grad for parameter in below):
        return 0
    trains = [any(parameter.requires_grad for parameter in layer.parameters()) for layer in layers]
    return trains.index(True) if True in trains else len(layers)


@contextmanager
def only(model: PreTrainedModel, part: slice) -> Iterator[None]:
    """Make the trunk run only these layers in the block."""
    trunk = model.base_model
    layers = trunk.layers
    assert isinstance(layers, nn.ModuleList)
    trunk.layers = layers[part]
    try:
        yield
    finally:
        trunk.layers = layers


@contextmanager
def entering_norm(model: PreTrainedModel, found: list[Tensor]) -> Iterator[None]:
    """Make each pass in the block append the states that enter the final norm, [1, L, D], to `found`."""
    norm = model.base_model.norm
    assert isinstance(norm, nn.Module)
    handle = norm.register_forward_pre_hook(lambda module, given: found.append(given[0].detach()))
    try:
        yield
    finally:
        handle.remove()


def tree_key(prompt: int, branches: Sequence[int], tokens: Sequence[int]) -> bytes:
    """Return a key for a tree: its tokens, and the ends of its prompt and of each branch."""
    return np.array([len(branches), prompt, *branches, *tokens], dtype=np.int64).tobytes()


def key_of(tree: Tree) -> bytes:
    tokens = [*tree.prompt, *(token for branch in tree.branches for token in branch.tokens)]
    return tree_key(len(tree.prompt), [len(branch) for branch in tree.branches], tokens)


def path_of(span: Span) -> Tensor:
    """Return the places of a tree's tokens in its packed row, shared tokens first, [len(tree)] int64."""
    return torch.cat([torch.arange(span.root), torch.arange(span.start, span.end)])


@dataclass(frozen=True)
class Entry:
    """The states of whole trees that enter layer `depth`; the common start of the trees is held once."""

    depth: int
    root: Tensor  # [R, D]
    kept: Mapping[bytes, Tensor]  # a tree's key to its states after the root, [len(tree) - R, D]

    def __call__(self, batch: PackedBatch) -> Tensor | None:
        """Return the states of a packed row, [L, D]; None for padded rows and for trees that are not kept."""
        row, parts = batch.tokens[0].tolist(), []
        for span in batch.spans or ():
            lengths = [end - start for start, end in span.branches]
            tokens = row[: span.root] + row[span.start : span.end]
            own = self.kept.get(tree_key(span.root + span.prompt_end - span.start, lengths, tokens))
            if own is None:
                return None
            path = torch.cat([self.root, own])
            parts += [path[span.root :]] if parts else [path]  # what the row begins with lies there once
        return torch.cat(parts) if parts else None
