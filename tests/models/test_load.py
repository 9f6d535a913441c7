import logging
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers.utils import logging as hf_logging

from truing.config.recipe import Lora
from truing.core.errors import ConfigError, ModelError
from truing.data.packing import pad
from truing.models.load import (
    add_adapter,
    ends_of,
    freeze_below,
    load_model,
    load_tokenizer,
    silence_dropout,
    trainable,
)
from truing.models.scoring import Scorer

CPU = torch.device("cpu")


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(ModelError, match=str(tmp_path)):
        load_model(tmp_path, torch.float32, CPU)
    with pytest.raises(ModelError, match="has no tokenizer that can be loaded"):
        load_tokenizer(tmp_path)


def test_a_saved_model_is_loaded_in_eval_mode(tiny, tmp_path):
    tiny().save_pretrained(tmp_path)
    model = load_model(tmp_path, torch.bfloat16, CPU)
    assert not model.training
    assert model.dtype is torch.bfloat16
    assert torch.equal(model.lm_head.weight, tiny().lm_head.weight.bfloat16())


def test_a_fresh_adapter_changes_nothing_and_depends_on_the_seed_alone(tiny, trees):
    def adapter(seed: int) -> nn.Module:
        torch.manual_seed(int(torch.randint(1000, ())))  # whatever ran before
        return add_adapter(tiny().bfloat16(), Lora(r=4), dropout=False, seed=seed, trained=torch.float32)

    first, again, other = adapter(1), adapter(1), adapter(2)
    names = trainable(first)
    assert names
    assert all("lora_" in name and p.dtype is torch.float32 for name, p in names.items())
    assert all(torch.equal(p, trainable(again)[name]) for name, p in names.items())
    assert any(not torch.equal(p, trainable(other)[name]) for name, p in names.items())
    expected = Scorer(tiny().bfloat16(), autocast=torch.bfloat16)(pad(trees)).logps
    assert torch.equal(Scorer(first.eval(), autocast=torch.bfloat16)(pad(trees)).logps, expected)


def test_modules_that_do_not_exist_are_a_mistake_in_the_recipe(tiny):
    with pytest.raises(ConfigError, match=r"lora.targets \('nope',\)"):
        add_adapter(tiny(), Lora(targets=("nope",)), dropout=False, seed=0, trained=torch.float32)


def test_top_layers_train_the_last_layers_and_the_norm(tiny):
    model = tiny()
    freeze_below(model, 1)
    last = {name for name, _ in model.named_parameters() if "layers.1." in name}
    assert last
    assert set(trainable(model)) == last | {"model.norm.weight"}
    with pytest.raises(ConfigError, match="top_layers is 3, but the model has 2 layers"):
        freeze_below(model, 3)


@pytest.mark.parametrize("family", ["gpt2", "opt", "llama"])
def test_silenced_dropout_makes_training_mode_exact(tiny, trees, family):
    noisy = {"llama": {"attention_dropout": 0.5}}.get(family, {})
    model = tiny(family, **noisy)
    exact = Scorer(model)(pad(trees)).logps
    model.train()
    assert not torch.equal(Scorer(model)(pad(trees)).logps, exact), "this family has dropout"
    silence_dropout(model, keep_adapter=False)
    torch.testing.assert_close(Scorer(model)(pad(trees)).logps, exact)


@pytest.mark.parametrize("keep", [False, True])
def test_only_the_adapters_dropout_is_kept(tiny, keep):
    model = add_adapter(tiny("gpt2"), Lora(dropout=0.25), dropout=True, seed=0, trained=torch.float32)
    silence_dropout(model, keep_adapter=keep)
    rates = {module.p for module in model.modules() if isinstance(module, nn.Dropout)}
    assert rates == ({0.0, 0.25} if keep else {0.0})


def test_a_padding_id_among_the_tokens_is_no_reason_for_advice(tiny, tmp_path):
    """transformers would ask for a mask, once in a process."""
    tiny("gpt2", pad_token_id=0).save_pretrained(tmp_path)
    model, said = load_model(tmp_path, torch.float32, CPU), []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    logger = logging.getLogger("transformers.modeling_utils")
    hf_logging.warning_once.cache_clear()
    logger.addHandler(handler)
    try:
        model(input_ids=torch.tensor([[5, 0, 7]]))
    finally:
        logger.removeHandler(handler)
    assert said == []


def test_the_ends_of_a_folder_are_those_of_its_generation_config_or_else_its_config(tmp_path: Path):
    assert ends_of(tmp_path) == frozenset()
    (tmp_path / "config.json").write_text('{"eos_token_id": 2}')
    assert ends_of(tmp_path) == {2}
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [0, 7]}')
    assert ends_of(tmp_path) == {0, 7}
    (tmp_path / "generation_config.json").write_text("{}")
    assert ends_of(tmp_path) == frozenset()


def test_arguments_of_a_recipe_are_defaults_of_the_template_wherever_it_is_written(model_folder, tmp_path):
    tokenizer = load_tokenizer(model_folder)
    tokenizer.chat_template = "{{ messages[0].content }}{{ ' thinking' if thinking else '' }}"
    tokenizer.save_pretrained(tmp_path / "asked")
    load_tokenizer(tmp_path / "asked", {"thinking": True}).save_pretrained(tmp_path / "written")
    again = load_tokenizer(tmp_path / "written")
    turns = [{"role": "user", "content": "a"}]
    assert again.apply_chat_template(turns, tokenize=False) == "a thinking"
    assert again.apply_chat_template(turns, tokenize=False, thinking=False) == "a"
