"""The lean forward pass against the models' own, on tiny float32 models of random weights.

A hook on a model makes the sampler use the model's own forward, so both are one sampler away.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from truing.kernels.fused import fuse
from truing.sampling import lean
from truing.sampling.lean import LeanDecoder
from truing.sampling.local import LocalSampler
from truing.sampling.types import Sample, Sampling

VOCABULARY = 28


SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": 0,
}


LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 100.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


FAMILIES = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SIZES)),
    "llama with biases, a tied head and a key for every head": lambda: LlamaForCausalLM(
        LlamaConfig(
            **SIZES | {"num_key_value_heads": 4}, attention_bias=True, mlp_bias=True, tie_word_embeddings=True
        )
    ),
    "llama 3": lambda: LlamaForCausalLM(LlamaConfig(**SIZES, rope_parameters=LLAMA3_ROPE)),
    "mistral": lambda: MistralForCausalLM(MistralConfig(**SIZES, sliding_window=None)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SIZES)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=16)),
}


PROMPTS = [[5, 3, 9], [1], [2, 2, 7, 8, 4, 11, 6], [10, 4], [3, 3, 3, 3, 12]]


DRAWN = Sampling(max_new_tokens=12, temperature=1.0, seed=1)


LORA: dict[str, Any] = {"r": 3, "lora_alpha": 5, "target_modules": "all-linear", "init_lora_weights": False}


def made(family: str) -> PreTrainedModel:
    """Random weights of the family; biases and norms too are not what they start as."""
    torch.manual_seed(0)
    model = FAMILIES[family]().eval()
    for name, weight in model.named_parameters():
        if weight.dim() == 1:
            torch.nn.init.normal_(weight.data, 1.0 if "norm" in name else 0.0, 0.2)
    return model


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    words = {f"w{place}": place for place in range(VOCABULARY)}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel(words, unk_token="w0")))


@pytest.fixture
def llama() -> PreTrainedModel:
    return made("llama")


def tokens(samples: list[Sample]) -> list[list[int]]:
    return [sample.tokens for sample in samples]


@contextmanager
def listened_to(model: torch.nn.Module) -> Iterator[None]:
    """Inside, somebody expects the model itself to be called."""
    handle = model.register_forward_pre_hook(lambda module, args: None)
    yield
    handle.remove()


def sampled(
    model: PreTrainedModel | PeftModel,
    tokenizer,
    sampling: Sampling,
    stop_ids: frozenset[int],
    path: str,
    prompts: list[list[int]],
) -> list[Sample]:
    sampler = LocalSampler(model, tokenizer, stop_ids=stop_ids)
    samples = sampler.sample(prompts, sampling, group_size=4)
    assert sampler.path.startswith(path)
    return samples


def both_ways(
    model: PreTrainedModel | PeftModel,
    tokenizer,
    sampling: Sampling,
    stop_ids: frozenset[int] = frozenset(),
    prompts: list[list[int]] = PROMPTS,
) -> list[Sample]:
    """Assert that both paths draw the same with equal log-probabilities, and return the lean one's draws."""
    ours = sampled(model, tokenizer, sampling, stop_ids, "LeanDecoder", prompts)
    with listened_to(model):
        theirs = sampled(model, tokenizer, sampling, stop_ids, "PlainDecoder", prompts)
    assert tokens(ours) == tokens(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
    return ours


def adapted(model: PreTrainedModel, **changes: Any) -> PeftModel:
    torch.manual_seed(1)
    return get_peft_model(model, LoraConfig(**LORA | changes)).eval()  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize("family", list(FAMILIES))
def test_families_are_sampled_as_their_own_forward_would(family: str, tokenizer) -> None:
    """Rows leave one by one, so groups become uneven, and whole groups end."""
    samples = both_ways(made(family), tokenizer, DRAWN, frozenset({4, 7, 8, 9}))
    assert len({len(sample.tokens) for sample in samples}) > 3


def test_greedy_goes_on_past_the_room_the_cache_starts_with(llama, tokenizer) -> None:
    samples = both_ways(llama, tokenizer, Sampling(max_new_tokens=150))
    assert {len(sample.tokens) for sample in samples} == {150}


def test_filters_and_penalties_see_the_same_logits(llama, tokenizer) -> None:
    filters = dataclasses.replace(DRAWN, temperature=0.8, top_p=0.9, repetition_penalty=1.3)
    plain = both_ways(llama, tokenizer, DRAWN, frozenset({7}))
    assert tokens(both_ways(llama, tokenizer, filters, frozenset({7}))) != tokens(plain)


def test_prompts_read_in_parts_are_read_as_together(llama, tokenizer, monkeypatch) -> None:
    whole = both_ways(llama, tokenizer, DRAWN)
    monkeypatch.setattr(lean, "CHUNK", 6)
    assert tokens(both_ways(llama, tokenizer, DRAWN)) == tokens(whole)


@pytest.mark.parametrize("chunk", [1024, 60])
def test_what_prompts_begin_with_is_read_once(llama, tokenizer, monkeypatch, chunk: int) -> None:
    """One of the prompts is nothing but what all begin with; another stands there twice."""
    read: list[int] = []
    embed = lean.embedding
    monkeypatch.setattr(lean, "embedding", lambda ids, *by: (read.append(len(ids)), embed(ids, *by))[1])
    monkeypatch.setattr(lean, "CHUNK", chunk)
    monkeypatch.setattr(lean, "ROUND", 1)
    root = [at % VOCABULARY for at in range(3, 43)]
    begun = [[*root, 5, 6, 7], root, [*root, 9], [*root, 5, 6, 7], [*root, *range(1, 20)]]
    both_ways(llama, tokenizer, DRAWN, frozenset({4}), begun)
    own = sum(len(prompt) - len(root) for prompt in begun)
    assert chunk < 1024 or len(root) + own in read


@pytest.mark.parametrize("fused", [False, True])
def test_an_adapter_is_part_of_the_policy(llama, tokenizer, fused: bool) -> None:
    without = tokens(both_ways(llama, tokenizer, DRAWN))
    model = adapted(llama)
    if fused:
        assert fuse(model)
    assert tokens(both_ways(model, tokenizer, DRAWN)) != without
    with model.disable_adapter():
        assert tokens(both_ways(model, tokenizer, DRAWN)) == without


def test_an_adapter_on_some_layers_beside_another(llama, tokenizer) -> None:
    """Queries have two adapters, values one, keys none."""
    without = tokens(both_ways(llama, tokenizer, DRAWN))
    model = adapted(llama, target_modules=["q_proj", "v_proj", "up_proj"])
    model.add_adapter("other", LoraConfig(**LORA | {"r": 2, "target_modules": ["q_proj", "down_proj"]}))
    model.base_model.set_adapter(["default", "other"])
    model.eval()
    assert tokens(both_ways(model, tokenizer, DRAWN)) != without


def test_a_merged_adapter_counts_once(llama, tokenizer) -> None:
    model = adapted(llama)
    apart = tokens(both_ways(model, tokenizer, DRAWN))
    model.merge_adapter()
    assert tokens(both_ways(model, tokenizer, DRAWN)) == apart


@pytest.mark.parametrize("adapter", [False, True])
def test_an_optimiser_is_followed(llama, tokenizer, adapter: bool) -> None:
    model = adapted(llama) if adapter else llama
    sampler = LocalSampler(model, tokenizer, stop_ids=frozenset())
    before = tokens(sampler.sample(PROMPTS, DRAWN))
    optimizer = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=0.1)
    model(input_ids=torch.tensor([[1, 2, 3]])).logits.square().mean().backward()
    optimizer.step()
    after = tokens(sampler.sample(PROMPTS, DRAWN))
    assert after != before
    assert after == tokens(LocalSampler(model, tokenizer, stop_ids=frozenset()).sample(PROMPTS, DRAWN))


def test_refresh_follows_what_torch_does_not_see(llama, tokenizer) -> None:
    sampler = LocalSampler(llama, tokenizer, stop_ids=frozenset())
    sampler.sample(PROMPTS, DRAWN)
    llama.lm_head.weight.data.mul_(-1)
    sampler.refresh(llama, 1)
    fresh = LocalSampler(llama, tokenizer, stop_ids=frozenset()).sample(PROMPTS, DRAWN)
    assert tokens(sampler.sample(PROMPTS, DRAWN)) == tokens(fresh)


def test_refresh_takes_over_another_model(llama, tokenizer) -> None:
    sampler = LocalSampler(llama, tokenizer, stop_ids=frozenset())
    sampler.sample(PROMPTS, DRAWN)
    other = made("qwen2")
    sampler.refresh(other, 1)
    fresh = LocalSampler(other, tokenizer, stop_ids=frozenset()).sample(PROMPTS, DRAWN)
    assert tokens(sampler.sample(PROMPTS, DRAWN)) == tokens(fresh)


@pytest.mark.parametrize("training", [False, True])
def test_a_model_in_training_gets_its_room_back(llama, tokenizer, training: bool) -> None:
    """Laid out weights are a second copy; where nothing trains they serve the next call."""
    sampler = LocalSampler(llama.train(training), tokenizer, stop_ids=frozenset())
    first = sampler.sample(PROMPTS, DRAWN)
    assert sampler._opened is not None and isinstance(sampler._opened.decoder, LeanDecoder)
    assert (sampler._opened.decoder.blocks == []) == training
    assert tokens(sampler.sample(PROMPTS, DRAWN)) == tokens(first)
    assert llama.training == training
