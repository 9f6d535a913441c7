"""Cut trees into passes, in the layout that the scorer wants, and run a function of each pass.

    passes_of(...)   the passes that hold some trees, for the caller to run
    run_passes(...)  a function of every pass; a pass too large for memory is cut again
    numbers_of(...)  the numbers of that function for each tree
    share_of(...)    the trees that are this rank's to run
    shared_numbers_of(...)  the same numbers, each tree run by one of the ranks

Results do not depend on the cut, so a smaller size of pass changes rounding alone.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from torch import Tensor

from truing.config.recipe import Recipe
from truing.data.packing import LAYOUTS, PackedBatch, Role, balanced, split_into_passes
from truing.data.trees import Tree
from truing.models.room import Overfull, attempt
from truing.models.scoring import Trunk
from truing.models.world import world

T = TypeVar("T")
LARGE = 2048  # tokens
# Small passes take a CPU about as long and less memory. Products in float32 are a tenth faster over 1024
# rows than over 512; those in bfloat16 are not.
ON_CPU, ON_CPU_LOW = 1024, 512


def tokens_per_pass(recipe: Recipe, scorer: Trunk, *, coupled: bool = False) -> int:
    """Return the recipe's number, or one for the device and number format; less where memory ran out.

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


def cut(
    trees: Mapping[int, Tree], trunk: Trunk, tokens_per_pass: int, role: Role = "learn"
) -> Iterator[PackedBatch]:
    """Yield the passes that hold these trees, on the trunk's device; their items are the keys of `trees`."""
    items = list(trees)
    for group in split_into_passes(list(trees.values()), trunk.room.within(tokens_per_pass), trunk.layout):
        chosen = [items[i] for i in group]
        batch = LAYOUTS[trunk.layout]([trees[i] for i in chosen], chosen)
        yield replace(batch, role=role).to(trunk.device)


def passes_of(
    trees: Mapping[int, Tree], trunk: Trunk, tokens_per_pass: int, role: Role = "learn"
) -> list[PackedBatch]:
    """Return a list of the passes that `cut` yields."""
    return list(cut(trees, trunk, tokens_per_pass, role))


def run_passes(
    trees: Mapping[int, Tree], trunk: Trunk, tokens_per_pass: int, work: Callable[[PackedBatch], T]
) -> Iterator[tuple[PackedBatch, T]]:
    """Yield every pass over `trees` with the result of `work`; halve passes where memory runs out.

    Raises Overfull where one tree alone is too large.
    """
    left = dict(trees)
    while left:
        for batch in cut(left, trunk, tokens_per_pass):
            found = attempt(lambda batch=batch: work(batch), lambda batch=batch: batch)
            if isinstance(found, Overfull):
                trunk.room.halve(found)
                break
            left = {item: tree for item, tree in left.items() if item not in set(batch.items)}
            yield batch, found


def numbers_of(
    trees: Mapping[int, Tree],
    trunk: Trunk,
    tokens_per_pass: int,
    work: Callable[[PackedBatch], Tensor],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[int, Tensor]:
    """Return, by item, the numbers of `work`: per target, [N, ...], or per branch of a pass, [B, ...].

    `on_progress` gets the number of trees done and that of all trees. Raises Overfull as `run_passes` does.
    """
    found: dict[int, Tensor] = {}
    for batch, flat in run_passes(trees, trunk, tokens_per_pass, work):
        found |= batch.by_item(flat)
        on_progress(len(found), len(trees))
    return found


def share_of(trees: Mapping[int, Tree], layout: str) -> dict[int, Tree]:
    """Return the trees that are this rank's to run, balanced over ranks by tokens; all of them alone."""
    here, items = world(), list(trees)
    own = balanced(list(trees.values()), here.size, layout)[here.rank]
    return dict(trees) if here.alone else {items[i]: trees[items[i]] for i in own}


def evened(
    passes: list[PackedBatch], trees: Mapping[int, Tree], trunk: Trunk, role: Role = "learn"
) -> list[PackedBatch]:
    """Add blank passes where the weights of `trunk` lie in shards, so that all ranks run equally many.

    `passes` are this rank's of a role, and `trees` all trees of it, of which a blank pass holds the smallest.
    """
    if not trunk.sharded:
        return passes
    most = max(world().gather(len(passes)))
    if len(passes) == most:
        return passes
    item = min(trees, key=lambda item: len(trees[item]))
    (blank,) = passes_of({item: trees[item]}, trunk, len(trees[item]), role)
    return passes + [replace(blank, blank=True)] * (most - len(passes))


def shared_numbers_of(
    trees: Mapping[int, Tree],
    trunk: Trunk,
    tokens_per_pass: int,
    work: Callable[[PackedBatch], Tensor],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[int, Tensor]:
    """Return what `numbers_of` returns on every rank, each tree run by one of them; numbers are on the CPU.

    All ranks call this with the same trees. `on_progress` is told of this rank's share. Where weights lie in
    shards, memory that runs out ends the run.
    """
    own = share_of(trees, trunk.layout)
    if trunk.sharded:
        passes = evened(passes_of(own, trunk, tokens_per_pass), trees, trunk)
        found: dict[int, Tensor] = {}
        for batch, flat in [(batch, work(batch)) for batch in passes]:
            found |= {} if batch.blank else batch.by_item(flat)
    else:
        found = numbers_of(own, trunk, tokens_per_pass, work, on_progress)
    if world().alone:
        return found
    of_all: dict[int, Tensor] = {}
    for part in world().gather({item: numbers.cpu() for item, numbers in found.items()}):
        of_all |= part
    return {item: of_all[item] for item in trees}
