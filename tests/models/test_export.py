"""An exported folder opens elsewhere with the same numbers, and is whole or absent at every moment."""

import errno
import json
import os
import resource
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from truing.core.errors import ModelError, StorageError
from truing.core.files import MANIFEST, problems
from truing.models.card import model_card
from truing.models.export import MAKER, export_folder

IDS = torch.tensor([[5, 9, 3, 17, 40]])
WORDS = ["<pad>", "<s>", "</s>", *(f"w{number}" for number in range(58))]


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="</s>")
    made.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    return made


def adapted(base: PreTrainedModel, **config: object) -> PeftModel:
    """A LoRA model whose adapter is far from its start, which is no change at all."""
    settings = {"r": 4, "target_modules": ["q_proj", "down_proj"], **config}
    model = get_peft_model(base, LoraConfig(**settings))
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name or "modules_to_save" in name:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


@torch.no_grad()
def logits(model: torch.nn.Module) -> torch.Tensor:
    return model(IDS).logits


def test_full_export_has_the_very_same_logits(tiny, tokenizer, tmp_path):
    model = tiny(tie_word_embeddings=True)
    export_folder(model, tokenizer, tmp_path / "out", merge=True)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    assert torch.equal(logits(loaded), logits(model))
    assert problems(tmp_path / "out", maker=MAKER, hashes=True) == []


def test_export_carries_the_tokenizer_and_generation_config_as_they_are(tiny, tokenizer, tmp_path):
    model = tiny()
    model.generation_config.temperature = 0.3  # invalid beside do_sample=False, yet common on the hub
    export_folder(model, tokenizer, tmp_path / "out", merge=True)
    opened = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert opened.chat_template == tokenizer.chat_template
    assert opened("w1 w7").input_ids == tokenizer("w1 w7").input_ids
    assert json.loads((tmp_path / "out/generation_config.json").read_text())["temperature"] == 0.3


@pytest.mark.parametrize(
    ("base", "config"),
    [
        pytest.param({}, {}, id="lora"),
        pytest.param({}, {"use_dora": True}, id="dora"),
        pytest.param({}, {"use_rslora": True, "target_modules": "all-linear"}, id="all-linear"),
        pytest.param({}, {"modules_to_save": ["lm_head"]}, id="trained head"),
        pytest.param({"tie_word_embeddings": True}, {}, id="tied"),
        pytest.param({"tie_word_embeddings": True}, {"target_modules": ["embed_tokens"]}, id="half of a tie"),
        pytest.param({"family": "gpt2"}, {"target_modules": ["c_attn"], "fan_in_fan_out": True}, id="conv1d"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_merged_export_equals_the_adapted_model(tiny, tokenizer, tmp_path, base, config):
    """Both sides run in float64: in float32 this model is itself up to 2.4e-5 from its exact logits."""
    model = adapted(tiny(**base), **config)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    export_folder(model, tokenizer, tmp_path / "out", merge=True)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float64).eval()
    wanted = logits(model.double())
    with model.disable_adapter():
        assert (logits(model) - wanted).abs().max() > 0.01  # the adapter does something
    assert (logits(loaded) - wanted).abs().max() <= 1e-5


def test_merging_rounds_once(tiny, tokenizer, tmp_path):
    """bfloat16 weights written as float32 hold the exact sum; written as they are, that sum rounded once."""
    model = adapted(tiny().bfloat16())
    layer = model.get_base_model().model.layers[0].self_attn.q_proj
    low, up = (getattr(layer, name)["default"].weight.float() for name in ("lora_A", "lora_B"))
    wanted = layer.base_layer.weight.float() + layer.scaling["default"] * (up @ low)
    name = "model.layers.0.self_attn.q_proj.weight"
    for dtype in (torch.float32, torch.bfloat16, None):
        folder = export_folder(model, tokenizer, tmp_path / str(dtype), merge=True, dtype=dtype)
        loaded = AutoModelForCausalLM.from_pretrained(folder)
        assert loaded.dtype == (dtype or torch.bfloat16)
        assert torch.equal(loaded.state_dict()[name], wanted.to(loaded.dtype))


@pytest.mark.parametrize("name", ["default", "policy"])
def test_adapter_export_opens_with_peft(tiny, tokenizer, tmp_path, name):
    base = tiny()
    model = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj"]), adapter_name=name)
    torch.nn.init.normal_(base.model.layers[0].self_attn.q_proj.lora_B[name].weight)
    wanted = logits(model.eval())
    export_folder(model, tokenizer, tmp_path / "out", merge=False)
    opened = PeftModel.from_pretrained(tiny(), tmp_path / "out").eval()
    assert torch.equal(logits(opened), wanted)
    assert not (tmp_path / "out/model.safetensors").exists()


def test_two_active_adapters_are_refused(tiny, tokenizer, tmp_path):
    model = adapted(tiny())
    model.add_adapter("second", LoraConfig(r=2, target_modules=["q_proj"]))
    model.base_model.set_adapter(["default", "second"])
    with pytest.raises(ModelError, match="2 adapters are active"):
        export_folder(model, tokenizer, tmp_path / "out", merge=True)
    assert list(tmp_path.iterdir()) == []


def test_a_previous_export_is_replaced_and_nothing_else(tiny, tokenizer, tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    export_folder(tiny(seed=1), tokenizer, target, merge=True)
    export_folder(tiny(seed=2), tokenizer, target, merge=True)
    assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(target).eval()), logits(tiny(seed=2)))
    (target / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match=r"notes\.txt"):
        export_folder(tiny(), tokenizer, target, merge=True)
    (target / "notes.txt").unlink()
    (target / MANIFEST).unlink()
    with pytest.raises(StorageError, match="not a previous export"):
        export_folder(tiny(), tokenizer, target, merge=True)


def test_a_full_disk_leaves_the_previous_export(tiny, tokenizer, tmp_path, monkeypatch):
    target = export_folder(tiny(), tokenizer, tmp_path / "out", merge=True)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(tokenizer), "save_pretrained", full)
    with pytest.raises(StorageError, match="No space left"):
        export_folder(tiny(seed=3), tokenizer, target, merge=True)
    assert problems(target, maker=MAKER, hashes=True) == []
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("limit", [1000, 150_000], ids=["weights", "tokenizer"])
def test_a_file_that_the_system_cuts_short_leaves_nothing(tiny, tmp_path, limit):
    """R12: safetensors, and tokenizers, write on their own; each has its own exception."""
    words = {f"word{number}": number for number in range(20_000)}
    made = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="word0")))
    allowed, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
    try:
        with pytest.raises(StorageError, match="File too large"):
            export_folder(tiny(), made, tmp_path / "out", merge=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (allowed, most))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("before", [False, True], ids=["new", "again"])
@pytest.mark.parametrize("operation", ["fsync", "rename", "write_text"])
def test_an_operation_that_fails_leaves_no_part_of_an_export(
    tiny, tokenizer, tmp_path, monkeypatch, operation, before
):
    """R12: at each of its file operations in turn, until none fails."""
    target, owner = tmp_path / "out", os if operation == "fsync" else Path
    real, failures = getattr(owner, operation), 0
    if before:
        export_folder(tiny(seed=1), tokenizer, target, merge=True)
    for nth in count(1):
        calls = count(1)

        def fail(*given: Any, nth: int = nth, calls: Iterator[int] = calls, **options: Any) -> object:
            if next(calls) == nth:
                raise OSError(errno.EIO, "Input/output error")
            return real(*given, **options)

        with monkeypatch.context() as patch:
            patch.setattr(owner, operation, fail)
            try:
                export_folder(tiny(seed=2), tokenizer, target, merge=True)
                break
            except StorageError:
                failures += 1
        if target.exists():
            assert problems(target, maker=MAKER, hashes=True) == []
    assert failures >= (2 if operation == "write_text" else 1)
    assert list(tmp_path.iterdir()) == [target]
    assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(target).eval()), logits(tiny(seed=2)))


def test_written_files_have_the_mode_of_any_new_file(tiny, tokenizer, tmp_path):
    export_folder(tiny(), tokenizer, tmp_path / "out", merge=True)
    (tmp_path / "new").touch()
    modes = {path.stat().st_mode for path in (*(tmp_path / "out").iterdir(), tmp_path / "new")}
    assert len(modes) == 1


def test_model_card_is_what_the_hub_reads():
    facts = {"base_model": "org/name", "tags": ["dpo"], "pairs": 12, "note": "a|b\nc"}
    card = model_card("mine", facts, library="transformers")
    front = yaml.safe_load(card.split("---")[1])
    assert front == {
        "base_model": "org/name",
        "library_name": "transformers",
        "tags": ["truing", "alignment", "dpo"],
    }
    assert "| pairs | 12 |\n| note | a\\|b c |" in card


def test_a_base_model_that_is_no_hub_name_stays_out_of_the_front_matter():
    card = model_card("mine", {"base_model": "/home/me/model"}, library="peft")
    assert "base_model" not in yaml.safe_load(card.split("---")[1])
    assert "| base_model | /home/me/model |" in card


def test_facts_reach_the_written_card(tiny, tokenizer, tmp_path):
    facts: dict[str, object] = {"base_model": "org/name"}
    folder: Path = export_folder(tiny(), tokenizer, tmp_path / "out", merge=True, facts=facts)
    assert (folder / "README.md").read_text().startswith("---\nbase_model: org/name\n")


def test_the_card_shows_what_was_measured():
    side = {"value": 0.9, "low": 0.83, "high": 0.944, "n": 96, "missing": 2}
    kl = {"value": 0.35, "low": None, "high": 0.4, "n": 90, "missing": 0}
    found = {
        "against": "org/base",
        "numbers": {
            "harmlessness": {
                "title": "Safe | sound",
                "unit": "%",
                "model": side,
                "against": {**side, "value": 0.1},
            },
            "kl": {"title": "KL", "unit": "nats", "model": kl, "against": None},
        },
        "gates": [{"name": "kl", "met": True}, {"name": "harmlessness", "met": False}],
    }
    card = model_card("mine", {}, library="transformers", evaluation=found)
    assert (
        "| Safe \\| sound | 90 % (83 to 94.4; n 96, 2 missing) | 10 % (83 to 94.4; n 96, 2 missing) |" in card
    )
    assert "| KL | 0.35 nats (? to 0.4; n 90) | — |" in card
    assert "Gates met: kl, missed: harmlessness." in card and "Before is org/base." in card


def test_a_card_without_an_evaluation_has_no_such_section():
    assert "Evaluation" not in model_card("mine", {}, library="transformers")
