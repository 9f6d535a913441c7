"""Rows that a run learns from and rows that it keeps for evaluation."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from truing.config.recipe import Recipe
from truing.core.errors import ConfigError, DataError
from truing.data.kept import Rows, say_cuts, say_shared
from truing.data.limits import Reason, Rendered
from truing.data.load import Loaded
from truing.data.trees import Branch, Tree
from truing.methods.offline import choose
from truing.runs.check import check_session
from truing.runs.rows import require_classes, split_off
from truing.runs.session import open_session

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


SOFT = {"prompt": "Why?", "chosen": "Because it is so.", "rejected": "No.", "chosen_probability": 0.7}


@pytest.fixture
def opened(model_folder: Path, tmp_path: Path):
    """Opens a session on two pairs, the second of them with a label that is right with 0.7."""

    def one(row: dict = SOFT, first: float = 1.0, **changes: Any):
        certain = {**SOFT, "prompt": "Who?", "chosen_probability": first}
        rows = "".join(json.dumps(each) + "\n" for each in (certain, row))
        (tmp_path / "rows.jsonl").write_text(rows)
        data = {"train": str(tmp_path / "rows.jsonl"), "bad_rows": "skip", **changes.pop("data", {})}
        asked = {"policy": str(model_folder), "data": data, "dtype": "float32", **changes}
        return open_session(Recipe.model_validate(asked))

    return one


def test_a_loss_that_reads_no_probability_refuses_rows_that_have_one(opened):
    with pytest.raises(ConfigError) as caught:
        opened(method="dpo", loss={"name": "hinge"})
    assert "rows.jsonl:2: the row says chosen_probability 0.7, and hinge (dpo) reads no" in str(caught.value)
    assert "losses that do: dpo, dpo_positive" in caught.value.hint
    with pytest.raises(ConfigError, match=r"and 1 dpo \+ 1 hinge \(dpo\) reads no probability"):
        opened(method="dpo", loss={"mix": {"dpo": 1, "hinge": 1}})
    for method in ("kto", "bco"):
        with pytest.raises(ConfigError, match="reads no probability") as caught:
            opened(method=method, data={"unpair": True})
        assert "dpo or reward" in caught.value.hint
    with pytest.raises(ConfigError, match="plackett_luce"):
        opened(method="reward", loss={"name": "plackett_luce"})


def test_a_row_that_is_certain_suits_every_loss(opened):
    certain = opened({**SOFT, "chosen_probability": 1.0}, method="dpo", loss={"name": "hinge"})
    assert [len(tree.branches) for tree in certain.train] == [2, 2]
    alone = opened(method="sft")  # learns the chosen response alone
    assert [len(tree.branches) for tree in alone.train] == [1, 1]


def test_the_first_step_weighs_both_labels(opened):
    """A policy that is its reference has x = 0: the loss is ln 2 whatever p is, the slope goes by 2p - 1."""
    found = {
        p: check_session(
            opened({**SOFT, "chosen_probability": p}, p, method="dpo", optim={"items_per_step": 2})
        )
        for p in (1.0, 0.75, 0.5)
    }
    assert [one.logs["loss"] for one in found.values()] == pytest.approx([math.log(2)] * 3, abs=1e-6)
    assert found[0.75].grad_norm == pytest.approx(found[1.0].grad_norm / 2, rel=1e-4)
    assert found[0.5].grad_norm == pytest.approx(0, abs=1e-6 * found[1.0].grad_norm)
