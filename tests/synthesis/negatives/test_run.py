"""Negatives end to end: every row is counted, the same call gives the same rows, and they are read back."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from truing.core.errors import ConfigError, RewardError
from truing.data.load import load_records
from truing.synthesis.negatives.rows import Without
from truing.synthesis.negatives.run import Negatives, as_json, require_answered

Make = Callable[..., Negatives]


def test_rows_read_are_rows_made_and_each_reason(make: Make):
    rows = [
        {"prompt": "How long is it?", "completion": "It is 2,450 metres long."},
        {"prompt": "How long is it?", "completion": "It is 2,450 metres long."},
        {"prompt": "Say thanks.", "completion": "Thank you!"},
    ]
    done = make(rows)
    found = as_json(done)
    assert (found["read"], done.asked) == (3, 2)
    assert found["rows"] == 1
    assert found["without"] == {"duplicate": 1, "nothing_to_change": 1}
    assert found["made"]["value"] == pytest.approx(1 / 3)


def test_a_row_holds_both_answers_and_says_how_the_false_one_was_made(make: Make):
    done = make(rules=["numbers"])
    row = done.rows[0]
    lineage = row["lineage"]
    assert lineage["verb"] == "negatives"
    assert lineage["prompt"]["file"] == "facts.jsonl"
    assert lineage["prompt"]["row"] == 1
    (edit,) = lineage["edits"]
    assert edit["rule"] == "numbers"
    changed = row["chosen"][: edit["at"]] + edit["to"] + row["chosen"][edit["at"] + len(edit["from"]) :]
    assert changed == row["rejected"]
    assert 0.5 < lineage["alike"] < 1


def test_rows_are_read_back_as_preferences(make: Make):
    done = make()
    records = load_records([str(done.path / "rows.jsonl")]).records
    assert [record.chosen.text for record in records] == [row["chosen"] for row in done.rows]
    assert [record.rejected.text for record in records] == [row["rejected"] for row in done.rows]


def test_the_same_call_gives_the_same_rows_and_another_seed_others(make: Make, tmp_path: Path):
    first = make().rows
    assert make().rows == first
    others = [make(seed=seed, output=str(tmp_path / f"seed {seed}")).rows for seed in range(1, 4)]
    assert any([row["rejected"] for row in rows] != [row["rejected"] for row in first] for rows in others)


def test_a_rows_negative_does_not_depend_on_the_rows_beside_it(make: Make, tmp_path: Path):
    rows = [
        {"prompt": "How long is it?", "completion": "It is 2,450 metres long and 31 metres wide."},
        {"prompt": "Who owns it?", "completion": "It is owned by 12 towns since 1998."},
    ]
    both = make(rows).rows
    alone = make(rows[1:], output=str(tmp_path / "alone")).rows
    assert alone[0]["rejected"] == both[1]["rejected"]


def test_another_request_in_the_same_folder_is_refused(make: Make):
    make(rules=["numbers"])
    with pytest.raises(ConfigError, match="another request"):
        make(rules=["hedges"])


def test_pairs_that_are_too_alike_are_told_with_their_cures(make: Make):
    done = make(rules=["numbers"])
    assert done.too_alike
    (note,) = done.notes
    assert "likelihood_displacement" in note
    assert "dpo_positive" in note


def test_names_of_other_rows_stand_in_where_asked(make: Make, tmp_path: Path):
    rows = [
        {"prompt": "谁托管？", "completion": "该基金由白塔银行托管。"},
        {"prompt": "谁销售？", "completion": "该产品由青石银行销售。"},
    ]
    found = make(rows, rules=["entities"], other_names=True, near=1).rows
    assert [row["rejected"] for row in found] == ["该基金由青石银行托管。", "该产品由白塔银行销售。"]
    none = make(rows, rules=["entities"], near=1, output=str(tmp_path / "none"))
    assert none.without[Without.NOTHING] == 2


def test_results_are_written(make: Make):
    done = make()
    written = json.loads((done.path / "results.json").read_text(encoding="utf-8"))
    assert written["rows"] == len(done.rows)
    assert sum(written["rules"].values()) == len(done.rows)


def test_errors_are_a_share_of_the_rows_that_were_asked(make: Make):
    without = Counter({Without.DUPLICATE: 95, Without.FAILED: 3, Without.NO_VERDICT: 1})
    done = replace(make(), pairs=[], read=100, asked=5, without=without)
    assert done.errors == pytest.approx(0.8)
    with pytest.raises(RewardError, match="80% of the rows"):
        require_answered(done)
