"""Yield and soundness on 120 real answers of each file, where the shared rows are at hand."""

import json
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from truing.text.negatives.make import Negative, Unmade, alike, falsify
from truing.text.negatives.passages import Draw, Passage, read_passage
from truing.text.negatives.table import RULES

SHARED = Path(__file__).parents[4] / "shared" / "data"
# File, the rows to have a negative at least (%), the rows to have a number of theirs changed at least (%).
FILES = [("alpaca_zh_demo.json", 70, 25), ("dpo_zh_demo.json", 78, 30), ("kto_en_demo.json", 80, 38)]
FIGURES = ["numbers", "percentages", "years", "dates", "units", "numerals"]


def answers(row: dict) -> str:
    if "output" in row:
        return row["output"]
    return row["chosen"]["value"] if "chosen" in row else row["messages"][-1]["content"]


@cache
def passages(name: str) -> list[Passage]:
    path = SHARED / name
    if not path.is_file():
        pytest.skip("shared/data is not on this machine")
    return [read_passage(answers(row)) for row in json.loads(path.read_text(encoding="utf-8"))[:120]]


@pytest.mark.parametrize(("name", "yielded", "figures"), FILES)
def test_most_rows_get_a_negative_and_all_are_counted(name: str, yielded: int, figures: int):
    rows = passages(name)
    made = [falsify(passage) for passage in rows]
    reasons = Counter(each for each in made if isinstance(each, Unmade))
    assert sum(isinstance(each, Negative) for each in made) + reasons.total() == len(rows)
    assert 100 * (len(rows) - reasons.total()) >= yielded * len(rows), reasons
    with_figures = [falsify(passage, rules=FIGURES) for passage in rows]
    assert 100 * sum(isinstance(each, Negative) for each in with_figures) >= figures * len(rows)


@pytest.mark.parametrize("name", [name for name, *_ in FILES])
def test_negatives_of_real_rows_are_sound(name: str):
    for passage in passages(name):
        negative = falsify(passage, changes=2, draw=Draw(1))
        if not isinstance(negative, Negative):
            continue
        assert len(negative.changes) == 2
        assert alike(passage.text, negative.text) < 1
        for change in negative.changes:
            assert change.rule in RULES
            for edit in change.edits:
                assert passage.text[edit.start : edit.end] == edit.old
                assert passage.free(edit.start, edit.end)
                if change.rule in ("numbers", "percentages"):  # format and unit are kept
                    assert edit.old.count(".") == edit.new.count(".")
                    assert edit.old.isascii() == edit.new.isascii()
