import json
from pathlib import Path

import pytest

from truing.config.config import load_recipe
from truing.config.names import SMALL_MODEL
from truing.config.negatives import NegativesRecipe
from truing.pipelines.negatives import HOLD, negatives_recipe
from truing.pipelines.train_file import TRAIN


@pytest.mark.parametrize(
    ("answer", "held"),
    [("The bridge over the river is 2,450 metres long.", True), ("2,450 metres.", False)],
)
def test_a_recipe_holds_true_answers_where_pairs_are_too_alike(tmp_path: Path, answer: str, held: bool):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"prompt": "How long is the bridge?", "completion": answer}) + "\n")
    asked = {"prompts": [str(path)], "rules": ["numbers"], "output": str(tmp_path / "out")}
    done = negatives_recipe(NegativesRecipe.model_validate(asked), lambda line: None, lambda *seen: None)
    assert done.too_alike is held
    recipe = load_recipe(done.path / TRAIN).recipe
    assert recipe.policy == SMALL_MODEL
    assert (recipe.loss.model_extra or {}).get("sft_weight", 0.0) == (HOLD if held else 0.0)


def test_a_training_recipe_that_is_there_stays(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"prompt": "How long?", "completion": "It is 2,450 metres long."}) + "\n")
    asked = {"prompts": [str(path)], "output": str(tmp_path / "out")}
    recipe = NegativesRecipe.model_validate(asked)
    done = negatives_recipe(recipe, lambda line: None, lambda *seen: None)
    (done.path / TRAIN).write_text("mine")
    negatives_recipe(recipe, lambda line: None, lambda *seen: None)
    assert (done.path / TRAIN).read_text() == "mine"
