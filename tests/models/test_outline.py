"""Three layers stand for all: the outline of a deep model is that of the model built whole."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from truing.config.recipe import Lora
from truing.data.packing import pack
from truing.models import outline
from truing.models.load import add_adapter, freeze_below
from truing.models.outline import GroupBytes, outline_of
from truing.models.scoring import Scorer

from ..conftest import LAYERS

CASES = {"full": (None, None), "lora": (4, None), "top": (None, 4)}


def config_of(family: str = "llama", **changes):
    return AutoConfig.for_model(family, **{**LAYERS, "num_hidden_layers": 7, **changes})


def maker(rank: int | None):
    def make(config, top_layers):
        model = base = AutoModelForCausalLM.from_config(config)
        if rank:
            model = add_adapter(base, Lora(r=rank), dropout=False, seed=0, trained=torch.float32)
        if top_layers:
            freeze_below(base, top_layers)
        return Scorer(model.train(), layout="trees")

    return make


@pytest.mark.parametrize("case", CASES)
def test_weights_products_and_passes_are_those_of_all_layers(pairs, case, monkeypatch):
    rank, top = CASES[case]
    short = outline_of(config_of(), maker(rank), top)
    monkeypatch.setattr(outline, "BUILT", 7)
    whole = outline_of(config_of(), maker(rank), top)
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
    found = outline_of(config_of(tie_word_embeddings=True), maker(None))
    layer = 4 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 48 + 2 * 32)
    assert found.root == GroupBytes(0, 4 * (61 * 32 + 32), 0)
    assert found.layer == GroupBytes(0, layer, 0)
    assert found.whole == GroupBytes(0, 4 * (61 * 32 + 32) + 7 * layer, 0)


def test_a_config_that_names_the_kind_of_each_layer_is_cut_too():
    config = config_of("qwen3")
    assert len(config.layer_types) == 7
    assert outline_of(config, maker(None)).depth == 7
    assert (config.num_hidden_layers, len(config.layer_types)) == (7, 7), "the given config stays"


def test_weights_in_bfloat16_take_half():
    def make(config, top_layers):
        base = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
        return Scorer(add_adapter(base, Lora(r=4), dropout=False, seed=0, trained=torch.float32))

    found, wide = outline_of(config_of(), make), outline_of(config_of(), maker(4))
    assert 2 * found.whole.frozen == wide.whole.frozen
    assert found.whole.adapters == wide.whole.adapters > 0
