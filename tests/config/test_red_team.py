"""The recipe of red-team: its defaults, and values that contradict each other."""

from pathlib import Path

import pytest

from truing.config.red_team import DEFAULT_ATTACKS, RedTeamRecipe
from truing.config.work import load_work
from truing.core.errors import ConfigError


def test_a_model_is_enough() -> None:
    recipe = load_work(RedTeamRecipe, None, ['model="runs/mine"'])
    assert (recipe.model, recipe.attacks, recipe.output) == ("runs/mine", DEFAULT_ATTACKS, "red-team")
    assert recipe.prompts == ()


def test_several_answers_want_a_temperature() -> None:
    with pytest.raises(ConfigError, match="at temperature 0 all answers"):
        load_work(RedTeamRecipe, None, ['model="m"', "k=2"])
    assert load_work(RedTeamRecipe, None, ['model="m"', "k=2", "temperature=1.0"]).k == 2


def test_the_shipped_recipe_is_read() -> None:
    path = Path(__file__).parents[2] / "recipes/red_team.yaml"
    recipe = load_work(RedTeamRecipe, path, [])
    assert (recipe.per_category, len(recipe.attacks)) == (3, 4)
