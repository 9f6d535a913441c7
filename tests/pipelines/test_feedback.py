"""Feedback writes its page, its rows and the recipe that learns from them."""

from pathlib import Path

import pytest

from truing.config.config import load_recipe
from truing.config.feedback import FeedbackRecipe
from truing.core.files import read_jsonl
from truing.pipelines.feedback import feedback_recipe
from truing.pipelines.train_file import TRAIN
from truing.synthesis.work import REPORT, ROWS


@pytest.mark.parametrize(("select", "method"), [("best_of_n", "sft"), ("all_pairs", "dpo")])
def test_the_recipe_learns_from_the_kind_of_rows_that_were_made(
    select: str, method: str, model_folder: Path, reward_folder: Path, tmp_path: Path
):
    prompts = tmp_path / "p.jsonl"
    prompts.write_text('{"prompt": "one"}\n{"prompt": "two"}\n')
    asked = {
        "prompts": [str(prompts)],
        "policies": [str(model_folder)],
        "judge": str(reward_folder),
        "k": 2,
        "max_new_tokens": 6,
        "sure": 0.5,
        "select": select,
        "output": str(tmp_path / "out"),
    }
    done = feedback_recipe(FeedbackRecipe.model_validate(asked), lambda line: None, lambda *seen: None)
    recipe = load_recipe(done.path / TRAIN).recipe
    assert (recipe.method, recipe.policy) == (method, str(model_folder))
    assert recipe.data.train == (str(done.path / ROWS),)
    assert list(read_jsonl(done.path / ROWS)) == list(done.rows) != []
    assert str(model_folder) in (done.path / REPORT).read_text()
