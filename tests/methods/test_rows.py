"""What a run learns from and what it keeps for evaluation."""

from truing.data.trees import Branch, Tree
from truing.methods.rows import split_off

TREES = [Tree([index + 1], (Branch([1], [True]),)) for index in range(8)]


def test_a_tenth_of_forty_rows_is_four_whatever_line_they_stand_on():
    trees = TREES * 5
    kept, out = split_off(trees, [(0, number) for number in range(40)], 0.1, seed=0)
    assert (len(kept), len(out)) == (36, 4)


def test_what_one_row_made_stays_on_one_side():
    rows = [(0, number // 2) for number in range(8)]  # pairs that became two
    kept, out = split_off(TREES, rows, 0.5, seed=1)
    sides = [{rows[TREES.index(tree)] for tree in side} for side in (kept, out)]
    assert len(sides[0]) == len(sides[1]) == 2
    assert not sides[0] & sides[1]
