"""The parts of a decoder, read off its modules; test_decode.py has what it refuses."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from truing.sampling.structure import Unreadable, read_structure

from .test_lean import FAMILIES, SIZES, adapted, made


def test_every_product_of_every_family_is_somewhere():
    for family in FAMILIES:
        model = made(family)
        found = read_structure(model)
        assert len(found.blocks) == SIZES["num_hidden_layers"]
        assert found.embedding is model.get_input_embeddings().weight
        products = [one.weight for one in model.modules() if isinstance(one, torch.nn.Linear)]
        assert found.nbytes == sum(one.nbytes for one in products), family


def test_an_adapter_is_read_with_its_scale():
    model = adapted(made("llama"))
    (adapter,) = read_structure(model).blocks[0].query.adapters
    assert adapter.a.shape[0] == adapter.b.shape[1] == 3 and adapter.scale == pytest.approx(5 / 3)


def test_a_layer_with_a_part_more_is_not_read():
    model = LlamaForCausalLM(LlamaConfig(**SIZES))
    model.model.layers[0].extra = torch.nn.Linear(2, 2)
    with pytest.raises(Unreadable, match="extra"):
        read_structure(model)
