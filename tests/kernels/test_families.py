"""The rows of families hold in transformers' own models, built here without weights."""

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification

from truing.kernels.families import (
    ATTENTION,
    FAMILIES,
    GATED,
    HEAD_NORMS,
    LAYER,
    TRUNK,
    WHOLE,
    Family,
    attention_kind,
    before_scores,
    caps_attention,
    follows_layers,
    has_learned_positions,
    is_recurrent,
    logit_rule,
    not_adapted,
    positions_of,
)
from truing.models.load import freeze_below, trainable

ROWS = [pytest.param(kind, family, id=kind) for family in FAMILIES for kind in family.kinds]


def without_weights(kind: str, auto=AutoModel, **changes: object):
    with torch.device("meta"):
        return auto.from_config(AutoConfig.for_model(kind, **changes))


@pytest.mark.parametrize(("kind", "family"), ROWS)
def test_a_row_names_what_the_family_has(kind: str, family: Family):
    trunk = without_weights(kind)
    if family.after:
        assert any(follows_layers(name) for name, _ in trunk.named_parameters())
        assert family.after in {path.rpartition(".")[2] for path, _ in trunk.named_modules()}
    tables = [name for name, module in trunk.named_modules() if isinstance(module, nn.Embedding)]
    assert has_learned_positions(trunk) == bool(family.positions)
    assert not family.positions or any(name.endswith(family.positions) for name in tables)
    for key in (family.multiplies, family.divides, family.caps, family.caps_attention):
        assert not key or hasattr(trunk.config, key)
    assert set(family.no_adapter) <= {path.rpartition(".")[2] for path, _ in trunk.named_modules()}
    if family.before_score:
        head = without_weights(kind, AutoModelForSequenceClassification)
        assert isinstance(head.get_submodule(family.before_score), nn.Linear)


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2", "qwen3"])
def test_decoders_of_the_llama_family_have_its_parts(kind: str):
    model = without_weights(kind, AutoModelForCausalLM)
    layer = model.model.layers[0]
    parts = {WHOLE: model, TRUNK: model.model, LAYER: layer, ATTENTION: layer.self_attn, GATED: layer.mlp}
    for names, module in parts.items():
        found = {name for name, _ in module.named_children()}
        assert names <= found <= names | HEAD_NORMS, names


def test_logits_follow_the_config():
    """Cohere multiplies by 1/16, Granite divides by 8, Gemma 2 caps at 30; others leave them as they are."""
    configs = {
        "cohere": {"logit_scale": 0.0625},
        "granite": {"logits_scaling": 8.0},
        "gemma2": {"final_logit_softcapping": 30.0},
        "llama": {},
    }
    found = {kind: logit_rule(AutoConfig.for_model(kind, **said)) for kind, said in configs.items()}
    assert found == {
        "cohere": (0.0625, None),
        "granite": (0.125, None),
        "gemma2": (1.0, 30.0),
        "llama": (1.0, None),
    }


def test_attention_is_capped_or_windowed_as_the_config_says():
    assert caps_attention(AutoConfig.for_model("gemma2"))
    assert not caps_attention(AutoConfig.for_model("llama"))
    types = ["sliding_attention", "full_attention"]
    mixed = AutoConfig.for_model("gemma3_text", num_hidden_layers=2, layer_types=types)
    assert [attention_kind(mixed, layer) for layer in (0, 1)] == types
    assert attention_kind(AutoConfig.for_model("mistral", sliding_window=8), 0) == "sliding_attention"
    assert attention_kind(AutoConfig.for_model("llama"), 0) == "full_attention"


def test_only_mamba_and_its_like_keep_their_past_in_a_state():
    assert is_recurrent(without_weights("mamba")) and not is_recurrent(without_weights("llama"))
    assert positions_of(AutoConfig.for_model("mamba")) is None
    assert positions_of(AutoConfig.for_model("gpt2", n_positions=64)) == 64


def test_layers_without_an_adapter_are_those_of_the_family_alone():
    assert not_adapted("falcon_mamba") == ["out_proj", "conv1d"]
    assert not_adapted("llama") == not_adapted("a family of no row") == []
    assert before_scores() == ["pre_classifier"]


def test_a_family_of_no_row_is_read_by_the_names_of_the_others():
    assert "stablelm" not in {kind for family in FAMILIES for kind in family.kinds}
    model = without_weights("stablelm", AutoModelForCausalLM, num_hidden_layers=2)
    freeze_below(model, 1)
    above = {name for name in trainable(model) if not name.startswith("model.layers.1.")}
    assert above == {"model.norm.weight", "model.norm.bias"}
