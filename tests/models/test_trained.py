"""What holds a model is opened for use, and pickles are not."""

import json
import warnings

import pytest
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from truing.core.errors import ModelError
from truing.models.trained import load_trained


def test_an_adapter_in_a_pickle_is_refused(tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "base"}))
    (tmp_path / "adapter_model.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(ModelError, match=r"has no adapter_model\.safetensors"):
        load_trained(str(tmp_path))


def test_opening_an_adapter_repeats_no_warning_of_other_packages(model_folder, tmp_path):
    policy = AutoModelForCausalLM.from_pretrained(model_folder)
    with warnings.catch_warnings(action="ignore"):
        adapter = get_peft_model(policy, LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    adapter.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(model_folder).save_pretrained(tmp_path)
    config = tmp_path / "adapter_config.json"
    raw = json.loads(config.read_bytes()) | {"base_model_name_or_path": str(model_folder)}
    config.write_text(json.dumps(raw), encoding="utf-8")
    with warnings.catch_warnings(record=True, action="always") as said:
        load_trained(str(tmp_path))
    assert [str(one.message) for one in said if "gradient_checkpointing" in str(one.message)] == []
