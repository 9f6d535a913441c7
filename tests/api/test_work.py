"""Prompts in memory lie in the folder, so that the same call goes on from there."""

import json
from pathlib import Path

import pytest

from truing.api.work import work_recipe
from truing.config.feedback import FeedbackRecipe
from truing.core.errors import ConfigError

KEYS = {"policies": ["m"], "judge": "j"}


def test_texts_and_rows_are_written(tmp_path: Path):
    found = work_recipe(
        FeedbackRecipe, "feedback", None, ["a?", {"prompt": "b?"}], KEYS | {"output": str(tmp_path)}
    )
    (path,) = found.prompts
    assert [json.loads(line)["prompt"] for line in Path(path).read_text().splitlines()] == ["a?", "b?"]
    with pytest.raises(ConfigError, match="other rows"):
        work_recipe(FeedbackRecipe, "feedback", None, ["c?"], KEYS | {"output": str(tmp_path)})


def test_files_and_a_recipe_below_the_keys(tmp_path: Path):
    found = work_recipe(FeedbackRecipe, "feedback", {"k": 2, "judge": {"name": "x"}}, "p.jsonl", KEYS)
    assert found.prompts == ("p.jsonl",)
    assert (found.k, found.judge, found.output) == (2, "j", "feedback")
