"""Rows that a run learns from and rows that it keeps for evaluation."""

from collections import Counter

import pytest

from truing.config.recipe import Recipe
from truing.core.errors import DataError
from truing.data.kept import Rows, say_cuts, say_shared
from truing.data.limits import Reason, Rendered
from truing.data.load import Loaded
from truing.data.trees import Branch, Tree
from truing.methods.offline import choose
from truing.runs.rows import require_classes, split_off

TREES = [Tree([index + 1], (Branch([1], [True]),)) for index in range(8)]


def test_a_tenth_of_forty_rows_is_four_whatever_line_they_stand_on():
    kept, out = split_off([(0, number) for number in range(40)], 0.1, seed=0)
    assert (len(kept), len(out)) == (36, 4)


def test_what_one_row_made_stays_on_one_side():
    rows = [(0, number // 2) for number in range(8)]  # pairs that became two
    kept, out = split_off(rows, 0.5, seed=1)
    sides = [{rows[place] for place in side} for side in (kept, out)]
    assert len(sides[0]) == len(sides[1]) == 2
    assert not sides[0] & sides[1]


def recipe(**data: object) -> Recipe:
    return Recipe.model_validate({"method": "kto", "policy": "p", "data": {"train": "a.jsonl", **data}})


def labelled(*labels: float) -> list[Tree]:
    return [Tree([1], (Branch([1], [True]),), (label,)) for label in labels]


def test_labels_of_one_class_stop_unless_that_is_meant():
    kto = choose("kto", None, {})
    with pytest.raises(DataError, match="all 3 rows have the label true") as caught:
        require_classes(labelled(1, 1, 1), recipe(), kto)
    assert "data.one_class: true" in caught.value.hint
    require_classes(labelled(1, 1, 1), recipe(one_class=True), kto)
    require_classes(labelled(1, 0, 1), recipe(), kto)
    require_classes(TREES, recipe(), choose("sft", None, {}))


def test_rows_that_the_evaluation_holds_too_are_counted_and_told():
    said: list[str] = []
    rows = Rows(Loaded([], [], []), Rendered([], [], [], Counter(), {}, {}), [], 0)
    assert say_shared(rows, ["a", "b", "b", "c"], ["b", "d"], said.append).summary["in_evaluation"] == 2
    assert said == [
        "2 of 4 rows that are learnt from stand in the evaluation too, which will look better for it"
    ]
    assert say_shared(rows, ["a"], ["b"], said.append).in_evaluation == 0
    assert len(said) == 1


def test_what_a_limit_cuts_is_told_and_recorded():
    said: list[str] = []
    rendered = Rendered(TREES[:2], [], [2700, 90], Counter({Reason.PROMPT_CUT: 1}), {}, {})
    say_cuts(rendered, 200, said.append)
    assert said == [
        "1 of 2 rows lose the start of their prompt: the longest has 2700 tokens, and 200 are kept"
    ]
    assert Rows(Loaded([], [], []), rendered, [], 0).summary["cut"] == {"prompt-cut": 1}
