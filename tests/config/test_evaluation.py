"""The recipe of an evaluation: gates have one bound, and samples differ."""

import pytest
from pydantic import ValidationError

from truing.config.evaluation import DEFAULT_TASKS, EvalRecipe, Gate
from truing.evals.tasks.table import TASKS


def test_a_model_alone_is_a_recipe_with_tasks_that_exist():
    recipe = EvalRecipe(model="runs/dpo")
    assert tuple(recipe.tasks) == DEFAULT_TASKS and set(DEFAULT_TASKS) <= set(TASKS)
    assert recipe.languages == ("en", "zh") and recipe.against is None


@pytest.mark.parametrize("bounds", [{}, {"above": 0.9, "below": 0.95}])
def test_a_gate_has_one_bound(bounds: dict):
    with pytest.raises(ValidationError, match="a gate has one bound"):
        Gate(**bounds)


def test_several_greedy_samples_are_refused():
    with pytest.raises(ValidationError, match="samples is 4, and at temperature 0 all of them are the same"):
        EvalRecipe(model="m", samples=4)
    assert EvalRecipe(model="m", samples=4, temperature=1.0).samples == 4
