"""Prompts of files, rendered with room for their responses."""

import json
from pathlib import Path

import pytest

from truing.config.recipe import Recipe
from truing.core.errors import DataError
from truing.data.chat import make_renderer
from truing.models.load import load_tokenizer
from truing.rollouts.prompts import read_prompts
from truing.sampling.types import Finish, Sample


@pytest.fixture
def read(model_folder: Path, tmp_path: Path):
    rows = tmp_path / "rows.jsonl"
    texts = [{"prompt": "Is it?", "answer": "Yes.", "case": "upper"}, {"prompt": "word " * 60}]
    rows.write_text("".join(json.dumps(row) + "\n" for row in texts))

    def read(new: int = 8, **data):
        content = {"method": "grpo", "policy": "p", "data": {"train": str(rows), "max_tokens": 80, **data}}
        recipe = Recipe.model_validate(
            content | {"sampling": {"max_new_tokens": new}, "rewards": [{"name": "numeric"}]}
        )
        return read_prompts(
            [str(rows)], recipe, make_renderer(load_tokenizer(model_folder)), lambda line: None
        )

    return read


def test_prompts_without_room_are_counted_and_responses_are_references(read):
    found = read(bad_rows="skip")
    (prompt,) = found.prompts
    assert found.rows.aside["too-long"] == 1 and not prompt.tree.branches
    item = prompt.item(Sample([1, 2], [], "Maybe.", Finish.STOP, 0, 0))
    assert (item.reference, item.tokens, item.columns["case"]) == ("Yes.", 2, "upper")


def test_no_prompt_at_all_is_an_error(read):
    with pytest.raises(DataError, match="2 of 2 rows are lost"):
        read(new=78)
