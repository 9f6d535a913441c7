"""The trees of some records are a function of these records: parts give the same as all at once."""

from collections import Counter
from pathlib import Path

import pytest

from truing.config.recipe import Recipe
from truing.core.doing import silent
from truing.core.records import Record, reply, user
from truing.methods.offline import choose
from truing.runs.policies import renderer_of
from truing.runs.taught import Taught, teach

RECORDS = [
    Record(user(f"Question {i}?"), (reply("yes " * (1 + i % 4)), reply("no")), place=f"a:{i}", number=i)
    for i in range(1, 9)
]


@pytest.mark.parametrize("data", [{}, {"unpair": True}])
def test_parts_give_what_all_records_give(model_folder: Path, data: dict[str, object]):
    method = "kto" if data else "dpo"
    recipe = Recipe.model_validate(
        {"method": method, "policy": str(model_folder), "data": {"train": "t", "max_tokens": 40, **data}}
    )
    renderer = renderer_of(recipe, model_folder)

    def taught(records: list[Record]) -> Taught:
        return teach(records, recipe, choose(method, None, {}), renderer, silent)

    whole = taught([*RECORDS, Record(user("alone"), number=9)])
    parts = [taught(RECORDS[:3]), taught(RECORDS[3:]), taught([Record(user("alone"), number=9)])]
    assert [tree for one in parts for tree in one.trees] == whole.trees
    assert [n for one in parts for n in one.rendered.lengths] == whole.rendered.lengths
    assert sum((one.masks for one in parts), Counter()) == +whole.masks
    assert (whole.given, whole.taught) == (9, 16 if data else 8)
    assert whole.made == sum(one.made for one in parts) == (8 if data else 0)
    assert whole.kinds == frozenset({"prompt", "unpaired"} if data else {"prompt", "preference"})
