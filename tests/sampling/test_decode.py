"""The decoder that a model gets: the lean one if it computes the same, else the model's own."""

from typing import Any

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GraniteConfig,
    GraniteForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
)

from truing.sampling.decode import PlainDecoder, difference, open_decoder
from truing.sampling.lean import LeanDecoder

from ..tables import each
from .test_lean import SIZES, VOCABULARY, adapted, made


@pytest.fixture
def llama() -> PreTrainedModel:
    return made("llama")


def hooked() -> Any:
    model = made("llama")
    model.get_submodule("model.layers.1.mlp").register_forward_hook(lambda module, args, output: output * 2)
    return model


REFUSED = {
    "other modules": (
        lambda: GPT2LMHeadModel(GPT2Config(vocab_size=28, n_positions=64, n_embd=16, n_layer=1, n_head=2)),
        "GPT2LMHeadModel has the parts",
    ),
    "a window": (
        lambda: MistralForCausalLM(MistralConfig(**SIZES, sliding_window=6)),
        "not every layer attends to all",
    ),
    "multipliers": (
        lambda: GraniteForCausalLM(GraniteConfig(**SIZES, residual_multiplier=0.5)),
        "computes something of its own",
    ),
    "frequencies by length": (
        lambda: LlamaForCausalLM(
            LlamaConfig(**SIZES, rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0})
        ),
        "positions are of type dynamic",
    ),
    "another activation": (
        lambda: LlamaForCausalLM(LlamaConfig(**SIZES, hidden_act="gelu")),
        "the activation is GELU",
    ),
    "more than LoRA": (lambda: adapted(made("llama"), use_dora=True), "more than plain LoRA"),
    "an adapted embedding": (
        lambda: adapted(made("llama"), target_modules=["embed_tokens"]),
        "the embedding or the head is not a plain one",
    ),
    "a hook": (hooked, "calls of model.layers.1.mlp are hooked"),
    "half precision": (lambda: made("llama").half(), "oneDNN does not multiply torch.float16"),
}


@each("case", list(REFUSED))
def test_what_the_lean_path_does_not_know_takes_the_plain_one(case: str) -> None:
    make, reason = REFUSED[case]
    torch.manual_seed(0)
    opened = open_decoder(make().eval())
    assert isinstance(opened.decoder, PlainDecoder)
    assert reason in opened.reason


def test_what_was_found_to_differ_is_not_tried_again() -> None:
    model = REFUSED["multipliers"][0]()
    opened = open_decoder(model)
    assert open_decoder(model, opened) is opened


def test_bfloat16_is_as_close_to_float32_as_the_models_own(llama) -> None:
    low = made("llama").bfloat16()
    opened = open_decoder(low)
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        assert isinstance(opened.decoder, PlainDecoder)
        return
    assert isinstance(opened.decoder, LeanDecoder)
    exact = PlainDecoder(llama)
    own = difference(PlainDecoder(low), exact, VOCABULARY)
    assert difference(opened.decoder, exact, VOCABULARY) < 1.5 * own


def test_frozen_weights_are_packed_once(llama) -> None:
    """Under an adapter nothing else changes between two steps of training."""
    model = adapted(llama)
    first = open_decoder(model)
    again = open_decoder(model, first, changed=True)
    packed = []
    for opened in (first, again):
        assert isinstance(opened.decoder, LeanDecoder)
        down = opened.decoder.blocks[1].down
        packed.append((*down.weights, opened.decoder.head))
    assert all(one is other for one, other in zip(*packed, strict=True))
