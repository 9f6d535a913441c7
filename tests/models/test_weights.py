"""Weights that do not fit their model are refused; nothing is trained, sampled or compared on a draw."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoTokenizer

from truing.core.errors import ConfigError, ModelError
from truing.models.folders import check_model_folder
from truing.models.load import load_model, load_tokenizer, pick_device
from truing.models.reward_folder import load_reward
from truing.models.trained import load_trained
from truing.models.weights import require_rows

CPU, FLOAT32 = torch.device("cpu"), torch.float32
Tensors = dict[str, Tensor]
Change = Callable[[Tensors], Tensors]
FORMAT, WEIGHTS = {"format": "pt"}, "model.safetensors"
FIRST = "model.layers.0.self_attn.q_proj"


def renamed(old: str, new: str) -> Change:
    return lambda tensors: {name.replace(old, new, 1): one for name, one in tensors.items()}


def prefixed(prefix: str) -> Change:
    return lambda tensors: {prefix + name: one for name, one in tensors.items()}


def without(part: str) -> Change:
    return lambda tensors: {name: one for name, one in tensors.items() if part not in name}


def cast(part: str, dtype: torch.dtype) -> Change:
    return lambda tensors: {n: one.to(dtype) if part in n else one for n, one in tensors.items()}


@pytest.fixture
def changed(model_folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the tiny model with other tensors and other keys in its config."""

    def change(change: Change = dict, source: Path = model_folder, **config: object) -> Path:
        folder = Path(shutil.copytree(source, tmp_path / "changed"))
        save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS, FORMAT)
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_bytes()) | config))
        return folder

    return change


@pytest.mark.parametrize(
    "wrapped",
    [
        prefixed("_orig_mod."),
        prefixed("module."),
        prefixed("module._orig_mod."),
        prefixed("_fsdp_wrapped_module."),
        renamed("model.layers.1.", "model.layers.1._orig_mod."),
        renamed("model.layers.0.", "model.layers.0._checkpoint_wrapped_module."),
    ],
)
def test_names_are_read_without_the_wrappers_that_wrote_them(changed, model_folder, wrapped):
    model, plain = load_model(changed(wrapped), FLOAT32, CPU), load_file(model_folder / WEIGHTS)
    assert all(torch.equal(model.state_dict()[name], one) for name, one in plain.items())


@pytest.mark.parametrize(
    ("change", "config", "told"),
    [
        (without("layers.1."), {}, r"it lacks 9 of the weights of LlamaForCausalLM \(model\.layers\.1"),
        (without("lm_head"), {}, r"it lacks 1 of the weights of LlamaForCausalLM \(lm_head\.weight\)"),
        (renamed("model.", "trunk."), {}, r"lacks 20 .*; the model has no place for 20 .* \(trunk\."),
        (
            dict,
            {"num_hidden_layers": 1},
            r"fit: the model has no place for 9 of its .* \(model\.layers\.1",
        ),
        (dict, {"num_hidden_layers": 3}, r"lacks 9 of the weights .*model\.layers\.2"),
        (lambda t: t | {f"{FIRST}.bias": torch.ones(32)}, {}, rf"place for 1 of its tensors .*{FIRST}\.bias"),
        (
            dict,
            {"vocab_size": 300},
            r"weight is \[319, 32\] in the weights, .* it \[300, 32\] \(and 1 m",
        ),
        (dict, {"intermediate_size": 48}, r"is \[32, 64\] in the weights, .* it \[32, 48\] \(and 5 more"),
    ],
    ids=["a layer", "the head", "another trunk", "too many layers", "too few", "a bias", "rows", "widths"],
)
def test_what_does_not_fit_is_named_on_both_sides(changed, change, config, told):
    with pytest.raises(ModelError, match=told):
        load_model(changed(change, **config), FLOAT32, CPU)


def test_a_tied_head_and_what_other_models_keep_beside_the_trunk_are_not_missed(changed):
    beside = {"v_head.summary.weight": torch.ones(1, 32), "vision_tower.patch.weight": torch.ones(2, 2)}
    folder = changed(lambda t: without("lm_head")(t) | beside, tie_word_embeddings=True)
    model = load_model(folder, FLOAT32, CPU)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_numbers_are_named(changed, reward_folder, tmp_path, value):
    def spoilt(tensors: Tensors) -> Tensors:
        tensors[f"{FIRST}.weight"][3, 4] = value
        return tensors

    told = rf"not finite numbers are in 1 of its weights \({FIRST}\.weight\)"
    folder = changed(spoilt)
    with pytest.raises(ModelError, match=told):
        load_trained(str(folder))
    shutil.rmtree(folder)
    with pytest.raises(ModelError, match=told):
        load_reward(changed(spoilt, reward_folder), FLOAT32, CPU)


def test_the_trunk_of_a_reward_model_fits_too(changed, reward_folder):
    folder = changed(prefixed("_orig_mod."), reward_folder)
    found, plain = load_reward(folder, FLOAT32, CPU, require_head=True), load_file(reward_folder / WEIGHTS)
    assert torch.equal(found.model.score.weight, plain["score.weight"])
    shutil.rmtree(folder)
    with pytest.raises(ModelError, match="lacks 9 of the weights of LlamaForSequenceClassification"):
        load_reward(changed(without("layers.1."), reward_folder), FLOAT32, CPU)


def test_a_reward_model_is_no_policy(reward_folder):
    with pytest.raises(ModelError, match="holds a reward model, which gives scores and no responses"):
        load_model(reward_folder, FLOAT32, CPU)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"quantization_config": {"quant_method": "awq", "bits": 4}}, "awq, 4 bits"),
        (
            {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}},
            "bitsandbytes, 8 b",
        ),
        ({"compression_config": {"quant_method": "compressed-tensors"}}, "compressed-tensors"),
        ({"text_config": {"quantization_config": {"quant_method": "fp8"}}}, "fp8"),
        ({"quantization_config": {"quant_method": "mxfp4"}}, "mxfp4"),
    ],
)
def test_quantised_weights_are_told_by_the_config(changed, config, told):
    with pytest.raises(ModelError, match=rf"changed is quantised \({told}") as error:
        check_model_folder(changed(**config))
    assert "not quantised" in error.value.hint


@pytest.mark.parametrize(("dtype", "told"), [(torch.int8, "I8"), (torch.float8_e4m3fn, "F8_E4M3")])
def test_quantised_weights_are_told_by_their_type_where_the_config_is_silent(changed, dtype, told):
    with pytest.raises(ModelError, match=rf"is quantised \({FIRST}\.weight is {told}\)"):
        check_model_folder(changed(cast(f"{FIRST}.weight", dtype)))


def test_quantised_weights_are_told_by_the_file_beside_them(changed):
    folder = changed(quantization_config=None)
    check_model_folder(folder)
    (folder / "hf_quant_config.json").write_text(json.dumps({"quantization": {"quant_algo": "FP8"}}))
    with pytest.raises(ModelError, match=r"is quantised \(FP8\)"):
        check_model_folder(folder)


def test_a_tokenizer_of_more_tokens_than_rows_is_told_with_both_numbers(changed):
    folder = changed()
    tokenizer = load_tokenizer(folder)
    rows = len(tokenizer)
    tokenizer.add_tokens(["<one>", "<two>"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelError, match=rf"has {rows + 2} tokens and the embedding {rows} rows.*'<one>'"):
        load_trained(str(folder))


def test_a_pad_token_needs_no_row_and_rows_may_be_more_than_tokens(changed, model_folder):
    tokenizer, model = AutoTokenizer.from_pretrained(model_folder), load_model(model_folder, FLOAT32, CPU)
    tokenizer.add_special_tokens({"pad_token": "<pad>"})
    require_rows(model, tokenizer, "a model")
    tokenizer.add_tokens(["<one>"])
    with pytest.raises(ModelError, match="'<one>'"):
        require_rows(model, tokenizer, "a model")
    model.resize_token_embeddings(len(tokenizer) + 40, mean_resizing=False)
    require_rows(model, tokenizer, "a model")


@pytest.mark.parametrize("device", ["gpu0", "cuda:x", "cuda:", "CPU", "meta"])
def test_a_device_that_is_none_is_a_mistake_in_the_recipe(device):
    with pytest.raises(ConfigError, match=rf"device is '{device}': expected auto, cpu, cuda"):
        pick_device(device)


def test_a_device_that_is_not_there_is_told_with_how_many_there_are():
    with pytest.raises(ConfigError, match=r"device is cuda:99, and PyTorch finds \d+ devices of"):
        pick_device("cuda:99")
    assert pick_device("cpu").type == "cpu"
