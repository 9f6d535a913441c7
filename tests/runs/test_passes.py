"""The passes of a step in their roles: whole texts, mismatched pairs, and both in one."""

from truing.data.trees import Branch, Tree
from truing.runs.passes import crossed, mismatched, whole


def tree(prompt: list[int], response: list[int]) -> Tree:
    return Tree(prompt, (Branch(response, [True] * len(response)),), (1.0,))


TREES = {4: tree([1, 2], [3]), 7: tree([5], [6, 8]), 9: tree([9, 9], [9])}


def responses(trees: dict[int, Tree]) -> dict[int, list[list[int]]]:
    return {item: [list(branch.tokens) for branch in one.branches] for item, one in trees.items()}


def test_a_whole_text_carries_loss_but_for_its_first_token():
    found = whole(TREES)
    assert (list(found[4].prompt), responses(found)[4]) == ([1], [[2, 3]])
    assert all(found[4].branches[0].scored)


def test_every_prompt_gets_the_response_before_it():
    assert responses(mismatched(TREES, 100)) == {4: [[9]], 7: [[3]], 9: [[6, 8]]}
    assert mismatched({4: TREES[4]}, 100) == {}


def test_a_response_is_cut_where_there_is_no_room_and_a_prompt_without_any_is_left_out():
    assert responses(mismatched(TREES, 3))[9] == [[6]]
    assert 9 not in mismatched(TREES, 2)


def test_both_responses_stand_in_one_tree():
    found = crossed(TREES, {4: mismatched(TREES, 100)[4]})
    assert responses(found)[4] == [[3], [9]] and found[4].labels == (1.0, 0.0)
    assert found[7] is TREES[7]
