"""Three layers stand for all: the outline of a deep model is that of the model built whole."""

from functools import partial

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from truing.config.recipe import Lora
from truing.core.errors import ModelError
from truing.data.packing import pack
from truing.models import outline
from truing.models.load import add_adapter, freeze_below
from truing.models.operations import products_of
from truing.models.outline import GroupBytes, outline_of
from truing.models.scoring import Scorer

from ..conftest import LAYERS

CASES = {"full": (None, None), "lora": (4, None), "top": (None, 4)}


def config_of(family: str = "llama", **changes):
    return AutoConfig.for_model(family, **{**LAYERS, "num_hidden_layers": 7, **changes})


def outlined(config, rank: int | None = None, top: int | None = None, dtype=torch.float32):
    def prepare(base, top_layers):
        model = base
        if rank:
            model = add_adapter(base, Lora(r=rank), dropout=False, seed=0, trained=torch.float32)
        if top_layers:
            freeze_below(base, top_layers)
        return Scorer(model.train(), layout="trees")

    return outline_of(config, partial(AutoModelForCausalLM.from_config, dtype=dtype), prepare, top)


@pytest.mark.parametrize("case", CASES)
def test_weights_products_and_passes_are_those_of_all_layers(pairs, case, monkeypatch):
    rank, top = CASES[case]
    short = outlined(config_of(), rank, top)
    monkeypatch.setattr(outline, "KEPT", 7)
    whole = outlined(config_of(), rank, top)
    assert (short.depth, whole.depth) == (7, 7)
    assert len(short.scorer.inner.model.layers) == 3
    assert short.whole == whole.whole
    assert (short.root, short.layer) == (whole.root, whole.layer)
    assert short.products == whole.products
    batch = pack(pairs)
    for again in (False, True):
        one, other = (found.pass_memory(batch, again=again) for found in (short, whole))
        assert one.gradients == pytest.approx(other.gradients, rel=0.02)
        assert one.activations == pytest.approx(other.activations, rel=0.03)
        assert one.working == pytest.approx(other.working, rel=0.02)


def test_groups_are_root_and_layers():
    """Llama of width 32, 4 heads of which 2 for keys, 48 in the middle, 61 tokens; float32 is 4 bytes."""
    found = outlined(config_of(tie_word_embeddings=True))
    layer = 4 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 48 + 2 * 32)
    assert found.root == GroupBytes(0, 4 * (61 * 32 + 32), 0)
    assert found.layer == GroupBytes(0, layer, 0)
    assert found.whole == GroupBytes(0, 4 * (61 * 32 + 32) + 7 * layer, 0)


def test_a_config_that_names_the_kind_of_each_layer_is_cut_too():
    config = config_of("qwen3")
    assert len(config.layer_types) == 7
    assert outlined(config).depth == 7
    assert (config.num_hidden_layers, len(config.layer_types)) == (7, 7), "the given config stays"


MIXED = {  # layers of two sizes: the first three, one of four, every other one, one of four
    "glm4_moe": {
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 16,
        "first_k_dense_replace": 3,
        "head_dim": 8,
    },
    "qwen3_next": {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 16,
        "shared_expert_intermediate_size": 16,
        "head_dim": 8,
        "linear_num_value_heads": 4,
        "linear_num_key_heads": 2,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
    },
    "llama4_text": {
        "num_local_experts": 4,
        "intermediate_size_mlp": 48,
        "interleave_moe_layer_step": 2,
        "head_dim": 8,
    },
    "jamba": {
        "num_experts": 4,
        "attn_layer_offset": 2,
        "attn_layer_period": 4,
        "expert_layer_offset": 8,
        "expert_layer_period": 9,
    },
}


@pytest.mark.parametrize("family", MIXED)
def test_layers_of_several_sizes_are_all_counted(family):
    config = config_of(family, **MIXED[family])
    with torch.device("meta"):
        real = AutoModelForCausalLM.from_config(config)
    found = outlined(config)
    assert found.whole.held == 4 * sum(parameter.numel() for parameter in real.parameters())
    assert (found.depth, len(found.scorer.inner.model.layers)) == (7, 3)
    assert found.products.trained == products_of(real).trained
    biggest = max(sum(p.numel() for p in layer.parameters()) for layer in real.model.layers)
    assert found.layer.held == 4 * biggest


@pytest.mark.parametrize("rank", [None, 4])
def test_experts_run_without_numbers_in_float32(pairs, rank):
    """PyTorch knows shapes of their products in bfloat16 alone, and PEFT moves weights of routers."""
    config = config_of("mixtral", num_local_experts=4, num_experts_per_tok=2)
    found = outlined(config, rank).pass_memory(pack(pairs), again=False)
    assert found.activations > outlined(config_of()).pass_memory(pack(pairs), again=False).activations


@pytest.mark.parametrize("error", [AssertionError("seen"), AttributeError("seen"), ValueError("seen\nmore")])
def test_a_model_that_looks_at_its_numbers_is_named(pairs, monkeypatch, error):
    found = outlined(config_of())

    def look(*given, **others):
        raise error

    monkeypatch.setattr(found.scorer.inner.model, "forward", look)
    with pytest.raises(ModelError, match=r"LlamaForCausalLM cannot run without numbers, .* is made: seen$"):
        found.pass_memory(pack(pairs), again=False)


def test_weights_in_bfloat16_take_half():
    found, wide = outlined(config_of(), 4, dtype=torch.bfloat16), outlined(config_of(), 4)
    assert 2 * found.whole.frozen == wide.whole.frozen
    assert found.whole.adapters == wide.whole.adapters > 0
