from pathlib import Path

import pytest

from truing.config.judging import JudgingRecipe
from truing.config.work import load_work
from truing.core.errors import ConfigError

RECIPE = Path(__file__).parents[2] / "recipes" / "judge.yaml"


def test_the_recipe_in_the_repository_is_one():
    recipe = load_work(JudgingRecipe, RECIPE, ["scale=likert"])
    assert recipe.audit
    assert recipe.scale == "likert"
    assert (RECIPE.parents[1] / recipe.rows[0]).exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("kind=listwise", "kind"),
        ("judges=[]", "judges"),
        ("max_errors=2", "max_errors"),
        ("axes=[]", "axes"),
        ("rubric=''", "rubric"),
        ("colour=red", "colour"),
    ],
)
def test_a_wrong_value_is_told(change: str, told: str):
    with pytest.raises(ConfigError, match=told):
        load_work(JudgingRecipe, RECIPE, [change])
