"""Inputs that a resumed run must find unchanged beside its recipe."""

import importlib
import sys
from pathlib import Path

from truing.config.recipe import Recipe
from truing.config.rewards import RewardPart
from truing.runs.inputs import models_of, reward_code


def recipe(policy: Path, **changes) -> Recipe:
    return Recipe.model_validate({"method": "grpo", "policy": str(policy), "data": {"train": "a"}, **changes})


def test_every_model_that_a_recipe_names_is_hashed(
    model_folder: Path, moved_folder: Path, reward_folder: Path
):
    reward = {"rewards": [{"name": "model", "path": str(reward_folder)}], "reference": str(moved_folder)}
    found = models_of(recipe(model_folder, **reward, critic={"start": str(reward_folder)}))
    assert set(found) == {"policy", "reference", "rewards", "critic"}
    assert found["policy"]["weights"] != found["reference"]["weights"]
    assert list(found["rewards"].values()) == [found["critic"]]
    assert set(models_of(recipe(model_folder))) == {"policy"}


def test_own_functions_and_templates_are_hashed_and_rules_are_not(tmp_path: Path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_reward_code.py").write_text("def tone(responses): ...\n")
    monkeypatch.setitem(sys.modules, "my_reward_code", importlib.import_module("my_reward_code"))
    template = tmp_path / "t.txt"
    template.write_text("Judge {response}")
    parts = [RewardPart(name="numeric"), RewardPart(name="my_reward_code:tone")]
    judge = RewardPart.model_validate({"name": "judge", "model": "m", "template": str(template)})
    before = reward_code([*parts, judge])
    assert set(before) == {"my_reward_code:tone", str(template)}
    template.write_text("Judge well {response}")
    assert reward_code([judge])[str(template)] != before[str(template)]
