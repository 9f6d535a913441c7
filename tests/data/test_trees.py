import pytest

from truing.data.trees import Branch, Tree


def test_lengths_are_counted_in_tokens():
    tree = Tree([1, 2, 3], (Branch([4], [True]), Branch([5, 6], [False, True])))
    assert len(tree) == 3 + 1 + 2, "the prompt once"
    assert tree.longest == 3 + 2, "what must fit the context"
    assert [branch.count for branch in tree.branches] == [1, 1]


def test_what_cannot_be_scored_is_refused_when_made():
    with pytest.raises(ValueError, match="2 tokens but 1 marks"):
        Branch([1, 2], [True])
    with pytest.raises(ValueError, match="no token of this response carries loss"):
        Branch([1, 2], [False, False])
    with pytest.raises(ValueError, match="at least one prompt token"):
        Tree([], (Branch([1], [True]),))
