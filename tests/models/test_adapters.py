"""An adapter fits its base in every tensor, or is refused with the names of both sides."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PrefixTuningConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from truing.config.recipe import Lora
from truing.core.errors import ModelError
from truing.models.export import export_folder
from truing.models.load import add_adapter
from truing.models.reward_folder import save_reward
from truing.models.roles import add_role
from truing.models.trained import load_trained, load_trained_reward

TOKENS = torch.arange(3, 19)[None]
WEIGHTS = "adapter_model.safetensors"
Make = Callable[..., Path]


@pytest.fixture
def adapter(model_folder: Path, tmp_path: Path) -> Make:
    """Has PEFT save an adapter whose numbers are far from those it is drawn with."""

    def make(task: str = "CAUSAL_LM", *, tokens: int = 0, tokenizer: bool = True, **changes: object) -> Path:
        kinds = {"CAUSAL_LM": AutoModelForCausalLM, "SEQ_CLS": AutoModelForSequenceClassification}
        labels = {"num_labels": 1} if task == "SEQ_CLS" else {}
        torch.manual_seed(2)
        base = kinds[task].from_pretrained(model_folder, **labels)
        own = AutoTokenizer.from_pretrained(model_folder)
        if tokens:
            own.add_tokens([f"<new{i}>" for i in range(tokens)])
            base.resize_token_embeddings(len(own), mean_resizing=False)
        config = LoraConfig(**{"r": 2, "target_modules": ["q_proj", "v_proj"], "task_type": task, **changes})
        model = get_peft_model(base, config)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.normal_(std=0.3)
        folder = tmp_path / "adapter"
        model.save_pretrained(folder, save_embedding_layers=False)
        told = json.loads((folder / "adapter_config.json").read_bytes())
        told["base_model_name_or_path"] = str(model_folder)
        (folder / "adapter_config.json").write_text(json.dumps(told))
        if tokenizer:
            own.save_pretrained(folder)
        model.eval().cpu()
        with torch.no_grad():
            save_file({"logits": model(TOKENS).logits.contiguous()}, tmp_path / "logits.safetensors")
        return folder

    return make


def wanted(tmp_path: Path) -> torch.Tensor:
    """The output of PEFT's own model for TOKENS."""
    return load_file(tmp_path / "logits.safetensors")["logits"]


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(TOKENS).logits


def edit(folder: Path, rename: Callable[[str], str | None]) -> None:
    """Save the tensors under other names; None leaves one out."""
    found = {rename(name): one for name, one in load_file(folder / WEIGHTS).items()}
    save_file({name: one for name, one in found.items() if name}, folder / WEIGHTS)


def test_one_that_fits_says_what_peft_says_of_it(adapter, tmp_path):
    found = load_trained(str(adapter()), dtype="float32").model
    torch.testing.assert_close(logits(found), wanted(tmp_path))


@pytest.mark.parametrize(
    ("rename", "told"),
    [
        (
            lambda name: name.replace("model.layers", "language_model.layers"),
            r"for 8 of .*; it lacks 8",
        ),
        (
            lambda name: name.replace("model.model.", "model._orig_mod.model."),
            r"for 8 of .*; it lacks 8",
        ),
        (lambda name: name.replace("layers.1.", "layers.one."), r"for 4 of .*layers\.one.*; it lacks 4 "),
        (lambda name: None if "layers.1." in name else name, r"it lacks 4 tensors .*layers\.1\."),
    ],
    ids=["nothing", "a wrapper", "partly", "a layer is gone"],
)
def test_names_that_match_nothing_or_partly_are_refused_with_both_lists(adapter, rename, told):
    folder = adapter()
    edit(folder, rename)
    with pytest.raises(ModelError, match=rf"adapter does not fit its base: .*{told}"):
        load_trained(str(folder))


def test_another_rank_than_its_config_says_is_refused_in_one_line(adapter):
    folder = adapter()
    config = folder / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_bytes()) | {"r": 4}))
    with pytest.raises(ModelError, match=r"does not fit its base: size mismatch for .*\[2, 32\].*\[4, 32\]"):
        load_trained(str(folder))


def test_one_without_a_tokenizer_takes_that_of_its_base(adapter, model_folder):
    found = load_trained(str(adapter(tokenizer=False)))
    assert found.tokenizer.get_vocab() == AutoTokenizer.from_pretrained(model_folder).get_vocab()


def test_the_base_grows_to_the_embeddings_and_the_head_of_the_adapter(adapter, model_folder, tmp_path):
    folder = adapter(tokens=4, modules_to_save=["embed_tokens", "lm_head"])
    found = load_trained(str(folder), dtype="float32")
    rows = len(found.tokenizer)
    assert rows == len(AutoTokenizer.from_pretrained(model_folder)) + 4
    torch.testing.assert_close(logits(found.model), wanted(tmp_path))
    target = export_folder(found.model, found.tokenizer, tmp_path / "merged", merge=True)
    theirs = AutoModelForCausalLM.from_pretrained(target)
    assert theirs.get_input_embeddings().weight.shape[0] == theirs.lm_head.weight.shape[0] == rows
    torch.testing.assert_close(logits(theirs), wanted(tmp_path), atol=1e-4, rtol=1e-4)


def test_tokens_whose_rows_are_not_in_the_adapter_are_told_with_both_numbers(adapter, model_folder):
    rows = len(AutoTokenizer.from_pretrained(model_folder))
    folder = adapter(tokens=4)
    with pytest.raises(ModelError, match=rf"has {rows + 4} tokens and the embedding {rows} rows"):
        load_trained(str(folder))
    shutil.rmtree(folder)
    folder = adapter(tokens=4, modules_to_save=["embed_tokens"])
    with pytest.raises(ModelError, match=rf"embed_tokens.weight of {rows + 4} rows.*base has {rows} rows"):
        load_trained(str(folder))


def test_learnt_states_before_a_text_are_no_change_of_weights(model_folder, tmp_path):
    base = AutoModelForCausalLM.from_pretrained(model_folder)
    prefix = get_peft_model(base, PrefixTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM"))
    prefix.save_pretrained(tmp_path / "prefix")
    told = tmp_path / "prefix" / "adapter_config.json"
    told.write_text(
        json.dumps(json.loads(told.read_bytes()) | {"base_model_name_or_path": str(model_folder)})
    )
    with pytest.raises(ModelError, match="is a PREFIX_TUNING adapter, which puts learnt states"):
        load_trained(str(tmp_path / "prefix"))


def test_a_reward_model_that_is_an_adapter_with_its_head_is_opened_and_exported(adapter, tmp_path):
    """The scores are those of PEFT's model, and of transformers over what is written."""
    folder = adapter("SEQ_CLS")
    found = load_trained_reward(str(folder))
    torch.testing.assert_close(logits(found.model), wanted(tmp_path), atol=1e-5, rtol=1e-4)
    target = save_reward(found.model, found.tokenizer, tmp_path / "whole")
    theirs = AutoModelForSequenceClassification.from_pretrained(target)
    torch.testing.assert_close(logits(theirs), wanted(tmp_path), atol=1e-5, rtol=1e-4)
    with pytest.raises(ModelError, match="holds a reward model"):
        load_trained(str(folder))


def test_an_adapter_that_lost_its_head_is_no_reward_model(adapter):
    folder = adapter("SEQ_CLS")
    edit(folder, lambda name: None if "score" in name else name)
    with pytest.raises(ModelError, match="adapter holds an adapter without a reward head"):
        load_trained_reward(str(folder))


def test_a_role_whose_weights_do_not_fit_the_backbone_is_refused(tiny):
    model = add_adapter(tiny(), Lora(r=2), dropout=False, seed=0, trained=torch.float32)
    config, own = model.peft_config["default"], get_peft_model_state_dict(model, save_embedding_layers=False)
    how = {"trained": torch.float32, "trains": False}
    add_role(model, "first", config, weights=own, **how)
    renamed = {name.replace("layers.1.", "blocks.1."): one for name, one in own.items()}
    with pytest.raises(ModelError, match=r"the adapter of second does not fit its base: .*blocks\.1\."):
        add_role(model, "second", config, weights=renamed, **how)
