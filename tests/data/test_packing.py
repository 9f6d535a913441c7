"""Both layouts, worked out by hand for two small trees."""

import pytest
import torch

from truing.data.packing import LAYOUTS, Span, balanced, pack, pad, split_into_passes
from truing.data.trees import Branch, Tree

from ..tables import each

# The second branch is a conversation: tokens 14 and 15 are a later turn of the user's, without loss.
TALK = Tree([10, 11], (Branch([12], [True]), Branch([13, 14, 15, 16], [True, False, False, True])))
SHORT = Tree([20], (Branch([21, 22], [True, True]),))


def test_packed_by_hand():
    batch = pack([TALK, SHORT], items=[7, 3])
    #                             0   1 | 2 | 3   4   5   6 | 7 | 8   9
    assert batch.tokens.tolist() == [[10, 11, 12, 13, 14, 15, 16, 20, 21, 22]]
    assert batch.positions.tolist() == [[0, 1, 2, 2, 3, 4, 5, 0, 1, 2]], "branches go on from their prompt"
    assert batch.target.tolist() == [12, 13, 16, 21, 22]
    # The first token of a branch is predicted by the end of its prompt, wherever that lies.
    assert batch.source.tolist() == [1, 1, 5, 7, 8]
    assert batch.response.tolist() == [0, 1, 1, 2, 2]
    assert batch.spans == (Span(0, 2, ((2, 3), (3, 7))), Span(7, 8, ((8, 10),)))
    assert batch.spans[0].end == 7
    assert (batch.branches, batch.items, batch.valid) == (3, (7, 3), None)


def test_what_all_prompts_begin_with_stands_once():
    """A system prompt of 40 tokens; the second prompt is nothing else, the third has the same first word."""
    system = list(range(100, 140))
    trees = [
        Tree([*system, 10, 11], (Branch([12], [True]), Branch([13, 14], [False, True]))),
        Tree(system, (Branch([21, 22], [True, True]),)),
        Tree([*system, 10, 31], (Branch([32], [True]),)),
    ]
    batch = pack(trees)
    assert batch.tokens.tolist() == [[*system, 10, 11, 12, 13, 14, 21, 22, 10, 31, 32]]
    assert batch.positions.tolist() == [[*range(42), 42, 42, 43, 40, 41, 40, 41, 42]]
    assert batch.target.tolist() == [12, 14, 21, 22, 32]
    assert batch.source.tolist() == [41, 43, 39, 45, 48]
    assert batch.spans == (
        Span(40, 42, ((42, 43), (43, 45)), 40),
        Span(45, 45, ((45, 47),), 40),
        Span(47, 49, ((49, 50),), 40),
    )


@pytest.mark.parametrize(("shared", "trees", "root"), [(31, 2, 0), (32, 2, 32), (16, 3, 16), (40, 1, 0)])
def test_little_is_not_worth_sharing(shared: int, trees: int, root: int):
    found = pack([Tree([*range(shared), 99 + n], (Branch([5], [True]),)) for n in range(trees)])
    assert {span.root for span in found.spans or ()} == {root}
    assert found.tokens.shape[1] == trees * (shared + 2) - root * (trees - 1)


def test_padded_by_hand():
    batch = pad([TALK, SHORT], items=[7, 3])
    assert batch.tokens.tolist() == [[10, 11, 12, 0, 0, 0], [10, 11, 13, 14, 15, 16], [20, 21, 22, 0, 0, 0]]
    assert batch.positions[1].tolist() == [0, 1, 2, 3, 4, 5]
    assert batch.valid.sum(1).tolist() == [3, 6, 3]
    assert batch.target.tolist() == [12, 13, 16, 21, 22]
    # Flat indices into rows of six: the state before each target.
    assert batch.source.tolist() == [1, 6 + 1, 6 + 4, 12, 12 + 1]
    assert batch.response.tolist() == [0, 1, 1, 2, 2]
    assert (batch.branches, batch.items, batch.spans) == (3, (7, 3), None)


def test_both_layouts_have_the_same_targets_behind_the_same_tokens(trees: list[Tree]):
    packed, padded = pack(trees), pad(trees)
    for name in ("target", "response"):
        assert torch.equal(getattr(packed, name), getattr(padded, name))
    for name in ("tokens", "positions"):
        behind = [getattr(batch, name).flatten()[batch.source] for batch in (packed, padded)]
        assert torch.equal(*behind), name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_sums_and_lengths_are_per_branch(layout: str):
    batch = LAYOUTS[layout]([TALK, SHORT])
    assert batch.lengths.tolist() == [1, 2, 2]
    assert batch.sums(torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0])).tolist() == [1, 6, 24]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_moving_to_a_device_keeps_every_field(layout: str):
    batch = LAYOUTS[layout]([TALK, SHORT], [7, 3])
    assert batch.lengths is not None, "a cached property is not a field and must not get in the way"
    moved = batch.to("meta")
    assert moved.tokens.device.type == moved.target.device.type == "meta"
    assert (moved.spans, moved.items, moved.branches) == (batch.spans, batch.items, batch.branches)
    assert (moved.valid is None) == (batch.valid is None)


@each("layout", LAYOUTS)
@each("limit", [1, 9, 20, 40, 10_000])
def test_passes_hold_every_tree_once_within_the_limit(pairs: list[Tree], layout: str, limit: int):
    passes = split_into_passes(pairs, limit, layout)
    assert sorted(i for group in passes for i in group) == list(range(len(pairs)))
    for group in passes:
        tokens = LAYOUTS[layout]([pairs[i] for i in group]).tokens.numel()
        assert len(group) == 1 or tokens <= limit, "padding counts"
    if limit == 10_000:
        assert passes == [list(range(len(pairs)))]
    if limit == 1:
        assert len(passes) == len(pairs), "a tree over the limit is still taken, alone"


def test_a_pass_is_filled_before_another_is_opened():
    def tree(size: int) -> Tree:
        return Tree([1] * (size - 1), (Branch([2], [True]),))

    trees = [tree(size) for size in (5, 6, 5, 4, 3)]
    # 6 + 4, 5 + 5 and 3: in order of arrival it would take more passes.
    assert sorted(split_into_passes(trees, 10, "trees")) == [[0, 2], [1, 3], [4]]
    # Ten tokens hold one row of six; rows of five and below go two by two.
    assert sorted(split_into_passes(trees, 10, "padded")) == [[0, 2], [1], [3, 4]]


@pytest.mark.parametrize("layout", [pack, pad])
def test_values_are_cut_by_the_trees_they_belong_to(layout):
    """TALK has two branches and three scored tokens, SHORT one branch and two."""
    batch = layout([TALK, SHORT], items=[7, 3])
    by_target = batch.by_item(torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0]))
    assert {item: part.tolist() for item, part in by_target.items()} == {7: [0, 1, 2], 3: [3, 4]}
    by_branch = batch.by_item(torch.tensor([0.0, 1.0, 2.0]))
    assert {item: part.tolist() for item, part in by_branch.items()} == {7: [0, 1], 3: [2]}
    states = batch.by_item(torch.zeros(5, 8))
    assert [tuple(part.shape) for part in states.values()] == [(3, 8), (2, 8)]


@pytest.mark.parametrize("layout", ["trees", "padded"])
def test_ranks_get_shares_of_as_many_tokens(layout: str):
    """Within 5 % for steps of a few dozen trees of very unlike lengths; every tree has one rank."""
    draw = torch.Generator().manual_seed(0)
    for count, ranks in ((32, 2), (64, 4), (256, 8)):
        lengths = torch.randint(1, 400, (count, 3), generator=draw).tolist()
        trees = [Tree([1] * p, tuple(Branch([1] * n, [True] * n) for n in (c, r))) for p, c, r in lengths]
        shares = balanced(trees, ranks, layout)
        assert sorted(item for share in shares for item in share) == list(range(count))
        cost = (lambda tree: len(tree)) if layout == "trees" else (lambda tree: 2 * tree.longest)
        tokens = [sum(cost(trees[item]) for item in share) for share in shares]
        assert max(tokens) <= 1.05 * sum(tokens) / ranks


def test_fewer_trees_than_ranks_leave_some_without():
    trees = [Tree([1], (Branch([2], [True]),))]
    assert balanced(trees, 3, "trees") == [[0], [], []]
