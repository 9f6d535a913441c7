"""The recipe of feedback refuses keys that contradict each other."""

import pytest
from pydantic import ValidationError

from truing.config.feedback import FeedbackRecipe

NEEDED = {"prompts": ["p"], "policies": ["a"], "judge": "j", "output": "o"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rounds": 2}, "compare: all has one round"),
        ({"across": "all"}, "takes pairs of one prompt"),
        ({"k": 1}, "there is one response to a prompt"),
        ({"temperature": 0}, "all of them are the same"),
    ],
)
def test_contradictions_are_told(changes: dict, said: str):
    with pytest.raises(ValidationError, match=said):
        FeedbackRecipe.model_validate(NEEDED | changes)


def test_keys_that_fit_pass():
    recipe = FeedbackRecipe.model_validate(NEEDED | {"rounds": 2, "compare": "swiss"})
    assert recipe.rounds == 2
    assert FeedbackRecipe.model_validate(NEEDED | {"k": 1, "policies": ["a", "b"], "temperature": 0}).k == 1
