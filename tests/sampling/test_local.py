"""The local sampler on tiny float32 models of random weights, peaked enough that no two logits tie."""

import dataclasses
import math
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from peft import LoraConfig, get_peft_model
from scipy.stats import chisquare
from tokenizers import Tokenizer, decoders
from tokenizers.models import WordLevel
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
)

from truing.core.errors import DataError, MemoryShortError, UsageError
from truing.sampling import local
from truing.sampling.local import LocalSampler
from truing.sampling.types import Finish, NoLogitsError, Sample, Sampling

LETTERS = "abcdefghijklmnopqrstuvwxyz"


VOCABULARY = {"<end>": 0} | {letter: place for place, letter in enumerate(LETTERS, start=1)}


SIZES = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": 0,
}


PROMPTS = [[5, 3, 9], [1], [2, 2, 7, 8, 4, 11, 6], [10, 4], [3, 3, 3, 3, 12]]


DRAWN = Sampling(max_new_tokens=12, temperature=1.0, seed=1)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(WordLevel(VOCABULARY, unk_token="<end>"))
    words.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>")


@pytest.fixture(scope="module")
def llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SIZES)).eval()


@pytest.fixture
def sampler(llama, tokenizer) -> LocalSampler:
    return LocalSampler(llama, tokenizer, stop_ids=frozenset())


@contextmanager
def shapes_seen(model: torch.nn.Module) -> Iterator[list[tuple[int, int]]]:
    """Rows and columns of every call of the model."""
    shapes: list[tuple[int, int]] = []

    def record(module, args, kwargs) -> None:
        shapes.append(tuple(kwargs["input_ids"].shape))

    handle = model.register_forward_pre_hook(record, with_kwargs=True)
    yield shapes
    handle.remove()


def generated(model, prompt: list[int], count: int) -> list[int]:
    ids = torch.tensor([prompt])
    output = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=count
    )
    return output[0, len(prompt) :].tolist()


def tokens(samples: list[Sample]) -> list[list[int]]:
    return [sample.tokens for sample in samples]


def plain_logprobs(model, prompt: list[int], response: list[int]) -> list[float]:
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt + response])).logits[0]
    logps = logits.log_softmax(-1)[len(prompt) - 1 : -1]
    return [logps[place, token].item() for place, token in enumerate(response)]


def test_greedy_equals_generate(llama, sampler) -> None:
    samples = sampler.sample(PROMPTS, Sampling(max_new_tokens=20))
    assert tokens(samples) == [generated(llama, prompt, 20) for prompt in PROMPTS]
    assert [(sample.prompt, sample.k) for sample in samples] == [(index, 0) for index in range(5)]


def test_greedy_equals_generate_past_a_sliding_window(tokenizer) -> None:
    torch.manual_seed(0)
    model = MistralForCausalLM(MistralConfig(**SIZES, sliding_window=6)).eval()
    samples = LocalSampler(model, tokenizer, stop_ids=frozenset()).sample(
        PROMPTS, Sampling(max_new_tokens=20), group_size=2
    )
    expected = [generated(model, prompt, 20) for prompt in PROMPTS]
    assert tokens(samples) == [response for response in expected for _ in range(2)]


def test_greedy_equals_generate_past_the_room_the_cache_starts_with(llama, sampler) -> None:
    [sample] = sampler.sample([[5, 3]], Sampling(max_new_tokens=100))
    assert sample.tokens == generated(llama, [5, 3], 100)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("tokens_in_flight", [1, 50, 100])
def test_the_batch_does_not_matter(llama, tokenizer, temperature: float, tokens_in_flight: int) -> None:
    sampling = dataclasses.replace(DRAWN, temperature=temperature, top_p=0.95, repetition_penalty=1.2)
    stop_ids = frozenset({7, 8})
    whole = LocalSampler(llama, tokenizer, stop_ids=stop_ids).sample(PROMPTS, sampling, group_size=3)
    parts = LocalSampler(llama, tokenizer, stop_ids=stop_ids, tokens_in_flight=tokens_in_flight)
    assert tokens(parts.sample(PROMPTS, sampling, group_size=3)) == tokens(whole)


@pytest.mark.parametrize("sampling", [DRAWN, Sampling(max_new_tokens=12)])
def test_batches_sampled_one_by_one_equal_the_whole_to_the_last_bit(llama, tokenizer, sampling: Sampling):
    """Also those that are left after some: an evaluation that was killed goes on in the same batches."""
    one = LocalSampler(llama, tokenizer, stop_ids=frozenset({0}), tokens_in_flight=80)
    whole = one.sample(PROMPTS, sampling, group_size=2)
    batches = one.batches(PROMPTS, sampling, group_size=2)
    assert len(batches) > 2
    left = [place for batch in batches[1:] for place in sorted(batch)]
    again = one.batches([PROMPTS[place] for place in left], sampling, group_size=2)
    assert [[left[place] for place in batch] for batch in again] == batches[1:]
    for batch in batches:
        found = one.sample([PROMPTS[place] for place in batch], sampling, group_size=2, keys=batch)
        expected = [whole[2 * place + k] for place in batch for k in range(2)]
        assert [(f.tokens, f.logprobs) for f in found] == [(e.tokens, e.logprobs) for e in expected]


def test_keys_make_a_part_of_the_prompts_equal_the_whole(sampler) -> None:
    whole = sampler.sample(PROMPTS, DRAWN, group_size=2)
    part = sampler.sample(PROMPTS[2:4], DRAWN, group_size=2, keys=[2, 3])
    assert tokens(part) == tokens(whole[4:8])
    assert [(sample.prompt, sample.k) for sample in part] == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_seed_step_prompt_and_sibling_each_change_what_is_drawn(sampler) -> None:
    same = [PROMPTS[0], PROMPTS[0]]
    drawn = tokens(sampler.sample(same, DRAWN, group_size=2))
    drawn += tokens(sampler.sample(same[:1], dataclasses.replace(DRAWN, seed=2)))
    drawn += tokens(sampler.sample(same[:1], DRAWN, step=1))
    assert len(set(map(tuple, drawn))) == 6


def test_siblings_share_the_reading_of_their_prompt(llama, sampler) -> None:
    with shapes_seen(llama) as shapes:
        sampler.sample(PROMPTS, DRAWN, group_size=4)
    assert shapes == [(5, 7)] + [(20, 1)] * 11


def test_rows_that_ended_leave_the_batch(llama, tokenizer) -> None:
    sampler = LocalSampler(llama, tokenizer, stop_ids=frozenset({7, 8, 9}))
    with shapes_seen(llama) as shapes:
        samples = sampler.sample(PROMPTS, DRAWN, group_size=4)
    lengths = [len(sample.tokens) for sample in samples]
    # With 20 rows a sixteenth is one, so a row is computed exactly until its last token is drawn.
    assert [rows for rows, _ in shapes[1:]] == [
        sum(length > written for length in lengths) for written in range(1, max(lengths))
    ]
    assert min(lengths) < max(lengths)


def test_a_stop_token_ends_the_response_and_stays_out_of_the_text(llama, tokenizer) -> None:
    free = LocalSampler(llama, tokenizer, stop_ids=frozenset()).sample(PROMPTS, DRAWN)
    stopped = LocalSampler(llama, tokenizer, stop_ids=frozenset({7})).sample(PROMPTS, DRAWN)
    assert {sample.finish for sample in stopped} == {Finish.STOP, Finish.LENGTH}
    for before, after in zip(free, stopped, strict=True):
        ends = 7 in before.tokens
        assert after.finish is (Finish.STOP if ends else Finish.LENGTH)
        assert after.tokens == (before.tokens[: before.tokens.index(7) + 1] if ends else before.tokens)
        assert after.text == tokenizer.decode(
            after.tokens[: len(after.tokens) - ends], skip_special_tokens=True
        )


def test_a_stop_string_is_cut_from_the_text_and_kept_in_the_tokens(sampler) -> None:
    """Letters are tokens: the text up to the string, and the tokens up to its last letter."""
    [free] = sampler.sample([[5, 3, 9]], dataclasses.replace(DRAWN, seed=3))
    assert 0 not in free.tokens
    stop = free.text[5:8]
    sampling = dataclasses.replace(DRAWN, seed=3, stop=("absent", stop))
    [sample] = sampler.sample([[5, 3, 9]], sampling)
    assert sample.finish is Finish.STOP_STRING
    assert sample.text == free.text[: free.text.index(stop)]
    assert sample.tokens == free.tokens[: free.text.index(stop) + 3]


def test_special_tokens_stay_out_of_the_text(sampler) -> None:
    samples = sampler.sample(PROMPTS, dataclasses.replace(DRAWN, max_new_tokens=60))
    assert any(0 in sample.tokens for sample in samples)
    assert not any("<end>" in sample.text for sample in samples)


def test_logprobs_equal_plain_scoring(llama, sampler) -> None:
    for sample in sampler.sample(PROMPTS, DRAWN, group_size=2):
        expected = plain_logprobs(llama, PROMPTS[sample.prompt], sample.tokens)
        assert sample.logprobs == pytest.approx(expected, abs=1e-4)


def test_logprobs_of_greedy_are_the_policys_own(llama, sampler) -> None:
    [sample] = sampler.sample([[5, 3]], Sampling(max_new_tokens=8))
    assert sample.logprobs == pytest.approx(plain_logprobs(llama, [5, 3], sample.tokens), abs=1e-4)


def test_logprobs_are_of_the_filtered_distribution(llama, sampler) -> None:
    """Two tokens are left, so the log-probability of one says that of the other: a logistic of their gap."""
    [sample] = sampler.sample([[5, 3]], Sampling(max_new_tokens=1, temperature=0.5, top_k=2))
    with torch.no_grad():
        best = llama(input_ids=torch.tensor([[5, 3]])).logits[0, -1].topk(2)
    gap = (best.values[0] - best.values[1]).item() / 0.5
    chosen = gap if sample.tokens == [best.indices[0].item()] else -gap
    assert sample.logprobs == pytest.approx([-math.log1p(math.exp(-chosen))], abs=1e-4)


def test_logprobs_can_be_left_out(sampler) -> None:
    samples = sampler.sample(PROMPTS, dataclasses.replace(DRAWN, logprobs=False))
    assert tokens(samples) == tokens(sampler.sample(PROMPTS, DRAWN))
    assert all(sample.logprobs == [] for sample in samples)


def test_frequencies_follow_the_distribution(llama, sampler) -> None:
    """5000 first tokens against the softmax, at temperature 2 so that all are expected often enough."""
    drawn = sampler.sample([[5, 3]], Sampling(max_new_tokens=1, temperature=2.0), group_size=5000)
    with torch.no_grad():
        expected = 5000 * (llama(input_ids=torch.tensor([[5, 3]])).logits[0, -1] / 2).double().softmax(-1)
    counts = torch.bincount(torch.tensor(tokens(drawn)).flatten(), minlength=len(VOCABULARY)).double()
    assert expected.min() >= 5
    assert chisquare(counts.numpy(), expected.numpy()).pvalue > 0.01


def test_a_repetition_penalty_sees_prompt_and_response(llama, sampler) -> None:
    """A penalty so large that nothing likely may come twice, nor come from the prompt."""
    for sample in sampler.sample(PROMPTS, Sampling(max_new_tokens=8, repetition_penalty=1e6)):
        together = PROMPTS[sample.prompt] + sample.tokens
        assert len(set(together)) == len(set(PROMPTS[sample.prompt])) + 8


def test_training_flags_are_as_before(llama, sampler) -> None:
    llama.train()
    llama.model.layers[0].eval()
    before = [module.training for module in llama.modules()]
    sampler.sample(PROMPTS[:1], DRAWN)
    after = [module.training for module in llama.modules()]
    llama.eval()
    assert after == before


def test_adapters_and_autocast(llama, tokenizer) -> None:
    model = LlamaForCausalLM(llama.config)
    model.load_state_dict(llama.state_dict())
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
    adapted.eval()
    sampler = LocalSampler(adapted, tokenizer, stop_ids=frozenset())
    [sample] = sampler.sample([[5, 3]], Sampling(max_new_tokens=12))
    assert sample.tokens == generated(adapted, [5, 3], 12)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = sampler.sample(PROMPTS, DRAWN, group_size=2)
    assert {len(sample.tokens) for sample in rough} == {12}


def test_a_response_ends_where_the_context_ends(tokenizer) -> None:
    """Learned positions: one past the last would be an index error. The longer prompt has room for 2 of 6."""
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=27, n_positions=8, n_embd=16, n_layer=1, n_head=2)).eval()
    sampler = LocalSampler(model, tokenizer, stop_ids=frozenset())
    samples = sampler.sample([[1] * 6] + [[2]] * 40, Sampling(max_new_tokens=6))
    assert [len(sample.tokens) for sample in samples] == [2] + [6] * 40
    assert {sample.finish for sample in samples} == {Finish.LENGTH}


def test_prompts_that_cannot_be_answered(sampler) -> None:
    with pytest.raises(DataError, match="prompt 1 is empty"):
        sampler.sample([[1], []], DRAWN)
    with pytest.raises(DataError, match="prompt 0 has 128 tokens and the model's context is 128"):
        sampler.sample([[1] * 128], DRAWN)
    with pytest.raises(UsageError, match="group_size is 0"):
        sampler.sample([[1]], DRAWN, group_size=0)
    assert sampler.sample([], DRAWN) == []


def test_progress_counts_responses(sampler) -> None:
    told: list[tuple[int, int]] = []
    sampler.sample(PROMPTS, DRAWN, group_size=2, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 10) for done in range(1, 11)]


def test_where_memory_runs_out_the_same_responses_are_drawn_in_parts(llama, tokenizer, monkeypatch):
    model, prompts = llama, [[5, 6, 7], [8], [9, 10, 11, 12]]
    sampling = Sampling(max_new_tokens=6, seed=3)
    wanted = LocalSampler(model, tokenizer, stop_ids=frozenset()).sample(prompts, sampling, group_size=4)
    sampler, read = LocalSampler(model, tokenizer, stop_ids=frozenset()), local._read
    tried: list[int] = []

    def limited(decoder, asked, rows, *rest):
        tried.append(len(rows))
        if len(rows) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return read(decoder, asked, rows, *rest)

    monkeypatch.setattr(local, "_read", limited)
    found = sampler.sample(prompts, sampling, group_size=4)
    assert [(one.prompt, one.k, one.tokens) for one in found] == [(o.prompt, o.k, o.tokens) for o in wanted]
    tried.clear()
    sampler.sample(prompts, sampling, group_size=4)
    assert max(tried) <= 2, "the size is remembered"
    with pytest.raises(MemoryShortError, match="one response to prompt 2: 10 tokens"):
        monkeypatch.setattr(local, "_read", lambda *_: (_ for _ in ()).throw(MemoryError()))
        sampler.sample(prompts, sampling, group_size=1)


@pytest.mark.parametrize("greedy", [True, False])
def test_logits_that_are_no_numbers_name_the_prompt_and_where_they_come_from(tokenizer, greedy):
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SIZES)).eval()
    with torch.no_grad():
        model.model.layers[1].self_attn.v_proj.weight[0, 0] = math.nan
    sampler = LocalSampler(model, tokenizer, stop_ids=frozenset())
    told = (
        r"prompt 0: the model's logits are not finite after 0 tokens, first in the parameter .*1\.self_attn"
    )
    with pytest.raises(NoLogitsError, match=told) as caught:
        sampler.sample([[5, 3, 9]], Sampling(max_new_tokens=3, temperature=0.0 if greedy else 1.0))
    assert caught.value.exit_code == 4
    assert str(caught.value.named("rows.jsonl:7")).startswith("rows.jsonl:7: the model's logits")
