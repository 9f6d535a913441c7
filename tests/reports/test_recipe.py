import yaml

from truing.config.negatives import NegativesRecipe
from truing.reports.recipe import recipe_command, recipe_text


def test_the_recipe_of_a_page_makes_the_page_again():
    recipe = NegativesRecipe.model_validate({"prompts": ["答案.jsonl"], "rules": ["units"], "changes": 0.3})
    shown = recipe_text(recipe, recipe.unread)
    assert "答案.jsonl" in shown
    assert NegativesRecipe.model_validate(yaml.safe_load(shown)) == recipe
    assert recipe_command("data negatives").startswith("truing data negatives recipe.yaml")
