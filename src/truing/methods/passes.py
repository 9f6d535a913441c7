"""Trees into the passes of a step: which share one, in the layout the scorer wants."""

from collections.abc import Mapping
from dataclasses import replace

import torch

from truing.core.recipe import Recipe
from truing.data.packing import LAYOUTS, PackedBatch, Role, split_into_passes
from truing.data.trees import Tree
from truing.models.scoring import Trunk

LARGE, ON_CPU = 2048, 512  # tokens; small passes take a CPU about as long, and a fifth less memory


def tokens_per_pass(recipe: Recipe, device: torch.device, *, coupled: bool = False) -> int:
    """What the recipe says, or what suits the device.

    Where the items of a step are `coupled`, several passes cost a second forward, so passes are large.
    """
    asked = recipe.tokens_per_pass
    if isinstance(asked, int):
        return asked
    return ON_CPU if device.type == "cpu" and not coupled else LARGE


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
