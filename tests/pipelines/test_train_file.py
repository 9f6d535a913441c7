"""A recipe that trains on the rows lies beside them, and is not written over."""

from pathlib import Path

import pytest

from truing.config.config import load_recipe
from truing.config.work import RoleSpec
from truing.pipelines.train_file import TRAIN, learning, write_training


def test_the_recipe_trains_the_policy_on_the_rows(tmp_path: Path):
    found = learning("dpo", "runs/sft", tmp_path / "rows.jsonl")
    write_training(tmp_path, found)
    recipe = load_recipe(tmp_path / TRAIN).recipe
    assert (recipe.method, recipe.policy, recipe.data.train, recipe.output) == (
        "dpo",
        "runs/sft",
        (str(tmp_path / "rows.jsonl"),),
        str(tmp_path / "dpo"),
    )
    (tmp_path / TRAIN).write_text("mine")
    write_training(tmp_path, found)
    assert (tmp_path / TRAIN).read_text() == "mine"


@pytest.mark.parametrize(
    ("policy", "name"),
    [("runs/a", "runs/a"), ({"path": "m"}, "m"), ({"name": "server", "model": "q"}, "q")],
)
def test_a_policy_has_a_name(policy: RoleSpec, name: str):
    assert learning("sft", policy, Path("rows.jsonl")).policy == name
