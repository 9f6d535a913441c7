import pytest
from pydantic import ValidationError

from truing.config.negatives import READ_BY, RULES, NegativesRecipe
from truing.synthesis.negatives.ways import WAYS
from truing.text.negatives import table

ROWS = {"prompts": ["rows.jsonl"], "output": "out"}


def test_names_of_rules_and_ways_are_those_of_their_tables():
    assert set(RULES) == set(table.RULES)
    assert {way for ways in READ_BY.values() for way in ways} == set(WAYS)


@pytest.mark.parametrize("changes", [1, 5, 0.3])
def test_changes_are_a_number_or_a_share(changes: int | float):
    assert NegativesRecipe.model_validate({**ROWS, "changes": changes}).changes == changes


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"changes": 0}, "changes"),
        ({"changes": 1.5}, "changes"),
        ({"rules": ["letters"]}, "letters"),
        ({"rules": []}, "rules"),
        ({"low": 0.6}, "low is 0.6, above high: 0.5"),
        ({"writer": "m"}, "writer is set, and by: rules does not read it"),
        ({"judge": "m"}, "judge is set, and by: rules"),
        ({"by": "writer"}, "needs a writer"),
        ({"by": "writer", "writer": "m", "rules": ["numbers"]}, "rules is set, and by: writer"),
        ({"by": "writer", "writer": "m", "k": 2}, "k is set, and by: writer"),
        ({"by": "samples"}, "needs a policy"),
        ({"by": "samples", "policy": "m", "k": 4}, "no judge tells the worst"),
        (
            {"by": "samples", "policy": "m", "k": 4, "judge": "r", "temperature": 0},
            "all samples are the same",
        ),
    ],
)
def test_a_recipe_that_contradicts_itself(keys: dict, told: str):
    with pytest.raises(ValidationError, match=told):
        NegativesRecipe.model_validate({**ROWS, **keys})


def test_a_policy_may_stand_beside_rules_for_the_training_to_come():
    assert NegativesRecipe.model_validate({**ROWS, "policy": "runs/sft"}).policy == "runs/sft"
