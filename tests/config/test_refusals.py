"""The recipe of refusals: its defaults hold the balance, and mistakes name their key."""

from pathlib import Path

import pytest

from truing.config.refusals import RefusalsRecipe
from truing.config.work import load_work
from truing.core.errors import ConfigError

ROOT = Path(__file__).parents[2]


def test_the_shipped_recipe_is_the_defaults():
    recipe = load_work(RefusalsRecipe, ROOT / "recipes" / "refusals.yaml", [])
    given = {"prompts": recipe.prompts, "policy": recipe.policy, "output": recipe.output}
    assert recipe == RefusalsRecipe.model_validate(given)
    assert recipe.balance * (1 - recipe.ordinary) == 1, "a twin for each refusal"


@pytest.mark.parametrize("wrong", ["balance=-1", "forms=[dressed]", "ordinary=1.5", "pairs=2", "teach=half"])
def test_a_value_that_makes_no_sense_names_its_key(wrong: str):
    with pytest.raises(ConfigError, match=wrong.split("=")[0]):
        load_work(RefusalsRecipe, None, ['prompts=["a.jsonl"]', "output=o", wrong])
