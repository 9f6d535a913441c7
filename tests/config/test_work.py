"""The part that recipes of models' work share."""

from pathlib import Path

import pytest

from truing.config.feedback import FeedbackRecipe
from truing.config.work import load_work
from truing.core.errors import ConfigError

NEEDED = ["prompts=[p.jsonl]", "policies=[runs/a]", "judge=runs/j", "output=out"]


def test_a_recipe_comes_from_a_file_or_from_flags_alone(tmp_path: Path):
    recipe = load_work(FeedbackRecipe, None, NEEDED)
    assert (recipe.prompts, recipe.policies, recipe.k, recipe.max_errors) == (
        ("p.jsonl",),
        ("runs/a",),
        4,
        0.1,
    )
    path = tmp_path / "feedback.yaml"
    path.write_text("prompts: [q.jsonl]\npolicies: [runs/a]\njudge: runs/j\noutput: out\n")
    assert load_work(FeedbackRecipe, path, ["seed=3"]).seed == 3
    path.write_text("- a\n")
    with pytest.raises(ConfigError, match="a recipe is a mapping of keys"):
        load_work(FeedbackRecipe, path, [])
