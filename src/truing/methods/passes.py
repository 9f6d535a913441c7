"""Trees into the passes of a step: which share one, in the layout the scorer wants."""

from collections.abc import Mapping
from dataclasses import replace

from truing.data.packing import LAYOUTS, PackedBatch, Role, split_into_passes
from truing.data.trees import Tree
from truing.models.scoring import Trunk


def passes_of(
    trees: Mapping[int, Tree], scorer: Trunk, tokens_per_pass: int, role: Role = "learn"
) -> list[PackedBatch]:
    """The passes that hold these trees, on the scorer's device; their items are the keys of `trees`."""
    items = list(trees)
    found = []
    for group in split_into_passes(list(trees.values()), tokens_per_pass, scorer.layout):
        chosen = [items[i] for i in group]
        batch = LAYOUTS[scorer.layout]([trees[i] for i in chosen], chosen)
        found.append(replace(batch, role=role).to(scorer.device))
    return found
