"""Rows, models and functions in memory, under the names of a recipe."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from truing.api.given import LiveModel, gather, records_of, rows_file, without_functions
from truing.core.errors import ConfigError, DataError

ROWS = [{"prompt": "a", "chosen": "b", "rejected": "c"}]


@pytest.fixture
def live(model_folder: Path) -> LiveModel:
    return LiveModel(
        AutoModelForCausalLM.from_pretrained(model_folder), AutoTokenizer.from_pretrained(model_folder)
    )


def test_rows_become_lines_whatever_holds_their_numbers():
    text = rows_file(
        [{"prompt": "\u4f60", "score": torch.tensor(1.5)}, {"prompt": "b", "score": [1]}], "data.train"
    )
    assert [json.loads(line) for line in text.splitlines()] == [
        {"prompt": "\u4f60", "score": 1.5},
        {"prompt": "b", "score": [1]},
    ]
    (record,) = records_of(ROWS, "rows")
    assert (record.chosen.text, record.place) == ("b", "rows.jsonl:1")
    for wrong, said in (
        (3, "is a int"),
        ([], "holds no rows"),
        ([1], "row 1: a int"),
        ([{"a": set()}], "row 1 cannot"),
    ):
        with pytest.raises(DataError, match=said):
            rows_file(wrong, "data.train")


def test_functions_are_replaced_by_names_and_nothing_else_is():
    taken: list[str] = []
    named = without_functions({"rewards": [{"name": lambda texts: texts}], "n": 3}, taken)
    assert named == {"rewards": [{"name": "given:function"}], "n": 3} and taken == ["given:function"]


def test_a_call_is_a_recipe_and_its_rows_lie_in_the_run(tmp_path: Path):
    parts = gather("train", None, {"method": "dpo", "policy": "org/model", "data": ROWS, "lora": True})
    assert list(parts.files) == ["train"] and parts.output("train") == parts.output("train")
    folder = tmp_path / "run"
    with parts.written(folder):
        recipe = parts.recipe(folder)
        (path,) = recipe.data.train
        assert json.loads(Path(path).read_text()) == ROWS[0] and recipe.lora is not None
    with parts.written(folder):  # the same rows again
        pass
    other = gather("train", None, {"method": "dpo", "policy": "org/model", "data": ROWS * 2})
    with pytest.raises(ConfigError), other.written(folder):
        pass


def test_what_a_call_wrote_is_taken_back_until_its_work_begins(live: LiveModel, tmp_path: Path):
    """The folders that the call made go too; those that were there stay."""
    keys = {"method": "dpo", "policy": live.model, "data": {"train": ROWS, "eval": ROWS}}
    parts = gather("train", None, keys, live.tokenizer)
    begun, folder = tmp_path / "runs" / "begun", tmp_path / "runs" / "mine"
    with pytest.raises(KeyboardInterrupt), parts.written(folder):
        assert (folder / "given" / "policy" / "config.json").is_file()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyboardInterrupt), parts.written(begun):
        (begun / "config.json").write_text("{}")
        raise KeyboardInterrupt
    kept = {path.name for path in (begun / "given").iterdir()}
    assert kept == {"train.jsonl", "eval.jsonl", "policy", "policy.of"}
    with pytest.raises(KeyboardInterrupt), parts.written(begun):
        raise KeyboardInterrupt
    assert {path.name for path in (begun / "given").iterdir()} == kept, "an earlier call wrote them"


def test_a_folder_of_other_work_stays_as_it_was(tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    parts = gather("train", None, {"method": "dpo", "policy": "org/model", "data": ROWS})
    with pytest.raises(ConfigError), parts.written(tmp_path):
        raise ConfigError("begun with other rows")
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_a_model_in_memory_is_known_by_its_weights(live: LiveModel, tmp_path: Path):
    live.write(tmp_path / "model")
    again = LiveModel(AutoModelForCausalLM.from_pretrained(tmp_path / "model"), live.tokenizer)
    assert again.fingerprint == live.fingerprint
    with torch.no_grad():
        next(again.model.parameters()).add_(1e-3)
    moved = LiveModel(again.model, live.tokenizer)
    assert moved.fingerprint != live.fingerprint
    with pytest.raises(ConfigError):
        moved.write(tmp_path / "model")
