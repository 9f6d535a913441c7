"""Make the passes of one step of an offline method, each in its role."""

from dataclasses import replace

from truing.config.recipe import Recipe
from truing.data.limits import Truncation, fit
from truing.data.packing import PackedBatch, Role
from truing.data.trees import Branch, Tree
from truing.methods.offline import Chosen
from truing.models.passes import evened, passes_of, share_of, tokens_per_pass
from truing.models.reward import RewardScorer
from truing.models.scoring import Scorer
from truing.models.world import world


def step_passes(
    learnt: dict[int, Tree],
    retained: dict[int, Tree],
    recipe: Recipe,
    chosen: Chosen,
    scorer: Scorer | RewardScorer,
) -> list[PackedBatch]:
    """Make this rank's passes over the trees of a step, and the other passes that the method needs.

    `learnt` are trees to learn from, `retained` trees on which the policy must not move, both by item.
    """
    cut = tokens_per_pass(recipe, scorer, coupled=chosen.coupled)
    # What is paired with the prompt of another row depends on all rows of the step.
    others = mismatched(learnt, recipe.data.max_tokens) if chosen.needs_mismatched else {}
    together = crossed(learnt, others)
    own = share_of(together, scorer.layout)
    kept = share_of(retained, scorer.layout)

    def passes(trees: dict[int, Tree], role: Role) -> list[PackedBatch]:
        mine = {item: tree for item, tree in trees.items() if item in own or item in kept}
        return evened(passes_of(mine, scorer, cut, role), trees, scorer, role)

    beside = passes(whole(learnt) if chosen.needs_whole else {}, "whole") + passes(retained, "retain")
    # One pass of all items reads no prompt twice, and computes the baseline together with the responses.
    most = tokens_per_pass(recipe, scorer, coupled=True)
    fits = world().alone and sum(map(len, together.values())) <= most
    if others and scorer.layout == "trees" and fits:
        return passes_of(together, scorer, most, "crossed") + beside
    return passes(learnt, "learn") + beside + passes(others, "mismatched")


def whole(trees: dict[int, Tree]) -> dict[int, Tree]:
    """Join every prompt and its first response into one text; all of its tokens but the first carry loss."""
    texts = {i: [*tree.prompt, *tree.branches[0].tokens] for i, tree in trees.items()}
    return {i: Tree(text[:1], (Branch(text[1:], [True] * len(text[1:])),)) for i, text in texts.items()}


def mismatched(trees: dict[int, Tree], max_tokens: int) -> dict[int, Tree]:
    """Give every prompt the response to the prompt before it in the files; return none for a single tree.

    The prompts of a step change with every epoch, and so do these pairs. A response is cut off at
    `max_tokens`; a prompt that leaves it no scored token is left out.
    """
    order = sorted(trees)
    if len(order) < 2:
        return {}
    before = [order[-1], *order[:-1]]
    swapped = {i: replace(trees[i], branches=trees[j].branches) for i, j in zip(order, before, strict=True)}
    cut = {i: fit(tree, max_tokens, Truncation.RESPONSE_RIGHT).tree for i, tree in swapped.items()}
    return {i: tree for i, tree in cut.items() if tree}


def crossed(trees: dict[int, Tree], others: dict[int, Tree]) -> dict[int, Tree]:
    """Add to every tree of one response, as its second, the response that `others` have after its prompt."""

    def both(own: Tree, other: Tree | None) -> Tree:
        if other is None:
            return own
        return Tree(own.prompt, own.branches + other.branches, (*own.labels, 0.0))

    return {i: both(tree, others.get(i)) for i, tree in trees.items()}
