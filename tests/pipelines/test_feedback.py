"""A recipe that trains on the rows lies beside them, and is not written over."""

from pathlib import Path

from truing.config.config import load_recipe
from truing.config.feedback import FeedbackRecipe
from truing.pipelines.feedback import policy_of, write_training


def test_the_recipe_trains_the_policy_on_the_rows(tmp_path: Path):
    write_training(tmp_path / "train.yaml", "dpo", "runs/sft", tmp_path / "rows.jsonl")
    recipe = load_recipe(tmp_path / "train.yaml").recipe
    assert (recipe.method, recipe.policy, recipe.data.train) == (
        "dpo",
        "runs/sft",
        (str(tmp_path / "rows.jsonl"),),
    )
    (tmp_path / "train.yaml").write_text("mine")
    write_training(tmp_path / "train.yaml", "dpo", "runs/sft", tmp_path / "rows.jsonl")
    assert (tmp_path / "train.yaml").read_text() == "mine"


def test_the_policy_is_the_first():
    asked = {"prompts": ["p"], "judge": "j", "output": "o"}
    for first, name in (("runs/a", "runs/a"), ({"path": "m"}, "m"), ({"name": "server", "model": "q"}, "q")):
        assert policy_of(FeedbackRecipe.model_validate(asked | {"policies": [first, "b"]})) == name
