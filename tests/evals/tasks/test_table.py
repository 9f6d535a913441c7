"""The table of tasks, and what a recipe may ask of it."""

import pytest

from truing.config.evaluation import EvalRecipe
from truing.core.errors import ConfigError
from truing.evals.tasks.table import TASKS, build_tasks

OPTIONS = {"win_rate": {"judge": {"name": "model", "path": "p"}}, "reward": {"path": "p"}}


def recipe(tasks: dict, **more) -> EvalRecipe:
    return EvalRecipe(model="m", tasks=tasks, **{"against": "n", **more})


def test_every_task_is_built_with_the_least_that_it_needs_and_measures_something():
    for name in TASKS.keys() - {"lm_eval", "inspect"}:  # which ask for another package
        (task,) = build_tasks(recipe({name: OPTIONS.get(name)})).values()
        assert task.numbers, name


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (recipe({"harmlesness": None}), "no task 'harmlesness'"),
        (recipe({"honesty": {"max_tokens": 3}}), "the task 'honesty' takes"),
        (recipe({"kl": None}, against=None), "the task 'kl' compares with another model, and none is given"),
        (
            recipe({"kl": None}, gates={"lk": {"below": 1.0}}),
            "the gate 'lk' is on no number of this evaluation",
        ),
    ],
)
def test_a_mistake_is_told_before_anything_is_asked(asked: EvalRecipe, said: str):
    with pytest.raises(ConfigError) as caught:
        build_tasks(asked)
    assert said in str(caught.value)
