"""A red teaming in a recipe's folder: its page in the recipe's language."""

from pathlib import Path

from tests.redteam.conftest import ScriptedModel, model  # noqa: F401 - a fixture

from truing.config.red_team import RedTeamRecipe
from truing.pipelines.red_team import red_team_recipe


def test_the_page_is_in_the_language_of_the_recipe(model: ScriptedModel, tmp_path: Path) -> None:  # noqa: F811
    asked = {"categories": ["violence"], "per_category": 2, "controls": 2, "page_language": "zh"}
    recipe = RedTeamRecipe.model_validate({"model": model.spec, "output": str(tmp_path), **asked})
    done = red_team_recipe(recipe, lambda line: None, lambda *seen: None)
    page = (done.path / "report.html").read_text(encoding="utf-8")
    assert "按类别和攻击列出的得手率" in page
    main = page.partition("<main>")[2]
    assert main
    assert "Attack success" not in main
