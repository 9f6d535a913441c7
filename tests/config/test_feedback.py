"""A recipe of feedback has no key that nothing reads."""

from typing import Any

import pytest
from pydantic import ValidationError

from truing.config.feedback import FeedbackRecipe

LEAST = {"prompts": ["p.jsonl"], "policies": ["m"], "judge": "j", "output": "out"}


def test_the_least_that_is_given():
    found = FeedbackRecipe.model_validate(LEAST)
    assert (found.k, found.compare, found.select, found.unsure) == (4, "all", "best_worst", "drop")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"k": 1}, "one response to a prompt"),
        ({"rounds": 2}, "compare: all has one round"),
        ({"across": "all"}, "select: best_worst takes pairs"),
        ({"temperature": 0}, "the same"),
        ({"sure": 0.4}, "greater than or equal to 0.5"),
        ({"prompts": []}, "at least 1 item"),
    ],
)
def test_a_recipe_that_contradicts_itself(changes: dict[str, Any], told: str):
    with pytest.raises(ValidationError, match=told):
        FeedbackRecipe.model_validate(LEAST | changes)


def test_two_policies_need_one_response_each():
    assert FeedbackRecipe.model_validate(LEAST | {"policies": ["m", "n"], "k": 1, "temperature": 0}).k == 1
