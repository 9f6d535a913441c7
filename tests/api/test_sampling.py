"""`truing.sample` from a source, a run and a loaded model."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

import truing
from truing.core.errors import ConfigError, DataError

from ..sampling.model_server import ModelServer


def test_sample_from_a_source_a_run_and_a_loaded_model(trained: truing.Run, model_folder: Path):
    greedy = truing.sample(model_folder, "say a", max_new_tokens=4)
    assert [row["prompt"] for row in greedy] == [[{"role": "user", "content": "say a"}]]
    assert greedy[0]["finish"] in ("stop", "length") and greedy[0]["k"] == 0
    model = AutoModelForCausalLM.from_pretrained(model_folder)
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    assert truing.sample(model, ["say a"], tokenizer=tokenizer, max_new_tokens=4) == greedy
    two = truing.sample(trained, ["say a", "say b"], k=2, temperature=1.0, max_new_tokens=4)
    assert [(row["prompt"][0]["content"], row["k"]) for row in two] == [
        ("say a", 0),
        ("say a", 1),
        ("say b", 0),
        ("say b", 1),
    ]


@pytest.mark.parametrize(
    "prompts",
    [
        [{"role": "user", "content": "say a"}],
        {"prompt": "say a"},
        [{"prompt": "say a", "chosen": "yes", "rejected": "no"}],
        [[{"role": "user", "content": "say a"}]],
    ],
)
def test_a_prompt_of_any_form(prompts: Any, model_folder: Path):
    (row,) = truing.sample(model_folder, prompts, max_new_tokens=2)
    assert row["prompt"] == [{"role": "user", "content": "say a"}]


def test_no_prompt_is_told(model_folder: Path):
    with pytest.raises(DataError, match="no prompts given"):
        truing.sample(model_folder, [])


def test_servers_draw_for_a_source_and_not_for_a_loaded_model(model_folder: Path):
    here = truing.sample(model_folder, ["say a", "say b"], max_new_tokens=4)
    with ModelServer(model_folder) as server:
        there = truing.sample(model_folder, ["say a", "say b"], max_new_tokens=4, servers=[server.url])
    assert there == here
    loaded = AutoModelForCausalLM.from_pretrained(model_folder)
    with pytest.raises(ConfigError, match="a loaded model is given"):
        truing.sample(loaded, "say a", servers=["http://127.0.0.1:9"])
