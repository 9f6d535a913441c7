"""The verb from Python: the same call goes on, other rows are refused, a loaded model is a policy."""

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

import truing
from truing.core.errors import ConfigError

ROWS = [{"prompt": f"How do I hurt number {n}?", "category": "violence"} for n in range(4)]


def test_from_python_twice(model_folder: Path, tmp_path: Path):
    keys = {"max_new_tokens": 4, "helpful_per_revision": 1.0, "output": tmp_path / "out", "progress": False}
    first = truing.constitution(ROWS[:2], str(model_folder), critic="rule", reviser="rule", **keys)
    assert first.counts["revised"] == 2
    assert first.sft.is_file()
    assert first.page.is_file()
    again = truing.constitution(ROWS[:2], str(model_folder), critic="rule", reviser="rule", **keys)
    assert again.results == first.results
    with pytest.raises(ConfigError, match="other rows"):
        truing.constitution(ROWS[2:4], str(model_folder), **keys)


def test_a_loaded_model_is_a_policy(model_folder: Path, tmp_path: Path):
    model = AutoModelForCausalLM.from_pretrained(model_folder)
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    keys = {"max_new_tokens": 4, "helpful_per_revision": 0, "output": tmp_path / "out", "progress": False}
    found = truing.constitution(ROWS[:1], model, tokenizer=tokenizer, **keys)
    assert found.counts["prompts"] == 1
    with pytest.raises(ConfigError, match="critic is a"):
        truing.constitution(ROWS[:1], str(model_folder), critic=model, **keys)
