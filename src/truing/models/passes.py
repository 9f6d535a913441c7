"""Trees into the passes of a step: which share one, in the layout the scorer wants."""

from collections.abc import Mapping

from truing.config.recipe import Recipe
from truing.data.packing import PackedBatch, Role
from truing.data.trees import Tree
from truing.models.room import cut
from truing.models.scoring import Trunk

LARGE = 2048  # tokens
# Small passes take a CPU about as long and less memory. Products in float32 are a tenth faster over 1024
# rows than over 512; those in bfloat16 are not.
ON_CPU, ON_CPU_LOW = 1024, 512


def tokens_per_pass(recipe: Recipe, scorer: Trunk, *, coupled: bool = False) -> int:
    """Return what the recipe says, or what suits the device and the number format; less where memory ran out.

    Where the items of a step are `coupled`, several passes cost a second forward, so passes are large.
    """
    return scorer.room.within(_asked(recipe, scorer, coupled=coupled))


def _asked(recipe: Recipe, scorer: Trunk, *, coupled: bool) -> int:
    asked = recipe.tokens_per_pass
    if isinstance(asked, int):
        return asked
    if scorer.device.type != "cpu" or coupled:
        return LARGE
    return ON_CPU if scorer.autocast is None else ON_CPU_LOW


def passes_of(
    trees: Mapping[int, Tree], scorer: Trunk, tokens_per_pass: int, role: Role = "learn"
) -> list[PackedBatch]:
    """The passes that hold these trees, on the scorer's device; their items are the keys of `trees`."""
    return list(cut(trees, scorer, tokens_per_pass, role))
