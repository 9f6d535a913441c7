"""A model that is given in any form."""

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from truing.api.opening import named, opened
from truing.core.errors import ConfigError, ModelError


def test_a_path_and_a_loaded_model_are_the_same_model(model_folder: Path):
    by_path = opened(model_folder)
    model = AutoModelForCausalLM.from_pretrained(model_folder).train()
    live = opened(model, AutoTokenizer.from_pretrained(model_folder))
    assert live.model is model and not model.training
    assert live.tokenizer.get_vocab() == by_path.tokenizer.get_vocab()
    assert named(model_folder) == str(model_folder) == named(model)


def test_a_reward_model_is_asked_for_by_what_it_does(model_folder: Path, reward_folder: Path):
    assert opened(reward_folder, scores=True).model.config.num_labels == 1
    with pytest.raises(ModelError, match="holds a reward model"):
        opened(reward_folder)


def test_what_is_no_model_is_told():
    with pytest.raises(ConfigError, match="int is no model: expected a run, a folder, a name"):
        opened(3)
