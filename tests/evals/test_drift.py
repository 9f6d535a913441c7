"""Drift against transformers' own logits, the definition of KL, and cases whose answer is known."""

import math

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from truing.core.errors import DataError
from truing.data.trees import Branch, Tree
from truing.evals.drift import k3, kl_on_samples, perplexity, score_trees, text_trees
from truing.models.scoring import Scorer

# Words are ids 3 .. 60 of the tiny models' vocabulary; 1 is the begin-of-text token.
WORDS = ["<pad>", "<s>", "</s>", *(f"w{number}" for number in range(58))]
TEXTS = ["w1 w7 w3", "w9 w2", "w30 w31 w32 w33 w34 w35 w36"]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    """One id per word, and a begin-of-text token that neutral text must be read without."""
    words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", bos_token="<s>")


@torch.no_grad()
def by_hand(model: PreTrainedModel, prompt: list[int], response: list[int]) -> Tensor:
    """log p of each token of `response` from the logits of the token before it, [n] f32."""
    logits = model(torch.tensor([prompt + response])).logits[0]
    return torch.stack(
        [
            logits[len(prompt) - 1 + at].log_softmax(-1)[token]  # the state before predicts the token
            for at, token in enumerate(response)
        ]
    )


def responses(seed: int = 0, count: int = 12) -> list[Tree]:
    """Trees of one branch, as a sampler's responses are, of 1 to 6 tokens."""
    rng = np.random.default_rng(seed)
    sizes = [1 + i % 6 for i in range(count)]
    draws = [(rng.integers(3, 61, size=3).tolist(), rng.integers(3, 61, size=n).tolist()) for n in sizes]
    return [Tree(prompt, (Branch(tokens, [True] * len(tokens)),)) for prompt, tokens in draws]


# Perplexity


@pytest.mark.parametrize("layout", ["padded", "trees"])
def test_perplexity_is_exp_of_the_mean_negative_logp(tiny, tokenizer, layout):
    model = tiny()
    ids = [[WORDS.index(word) for word in text.split()] for text in TEXTS]
    nll = [-float(by_hand(model, row[:1], row[1:]).sum()) for row in ids]
    found = perplexity(Scorer(model, layout=layout), TEXTS, tokenizer)
    assert found.tokens.tolist() == [2, 1, 6]  # all but the first of 3, 2 and 7
    assert found.nll == pytest.approx(nll, abs=1e-4)
    # Weighted by tokens: a mean of the three texts' own means would count the shortest as much.
    assert found.value == pytest.approx(math.exp(sum(nll) / 9), rel=1e-5)


def test_a_model_that_knows_nothing_is_as_perplexed_as_its_vocabulary_is_large(tiny, tokenizer):
    model = tiny()
    torch.nn.init.zeros_(model.lm_head.weight)
    assert perplexity(Scorer(model), TEXTS, tokenizer).value == pytest.approx(61)


def test_a_text_of_one_token_predicts_nothing_and_is_left_out(tiny, tokenizer):
    scorer = Scorer(tiny())
    with_short = perplexity(scorer, ["w5", *TEXTS, "w6", ""], tokenizer)
    assert with_short.tokens.tolist() == [2, 1, 6]
    assert with_short.value == pytest.approx(perplexity(scorer, TEXTS, tokenizer).value)


def test_nothing_to_measure_on_is_said(tiny, tokenizer):
    with pytest.raises(DataError, match="none of 2 texts has two tokens"):
        perplexity(Scorer(tiny()), ["w5", ""], tokenizer)
    with pytest.raises(DataError, match="no response to measure the KL on"):
        kl_on_samples(Scorer(tiny()), Scorer(tiny()), [])


def test_the_first_token_of_a_text_is_its_prompt(tokenizer):
    first, second = text_trees(["w1 w7 w3", "w5", "w9 w2"], tokenizer)
    assert (first.prompt, second.prompt) == ([4], [12])
    assert first.branches == (Branch([10, 6], [True, True]),)
    assert second.branches == (Branch([5], [True]),)


def test_trees_are_scored_in_the_order_they_were_given(tiny):
    model, trees = tiny(), responses()
    for tree, logps in zip(trees, score_trees(Scorer(model), trees), strict=True):
        wanted = by_hand(model, list(tree.prompt), list(tree.branches[0].tokens))
        torch.testing.assert_close(logps, wanted, atol=1e-5, rtol=1e-5)


# KL


def test_k3_is_the_ratio_minus_its_logarithm_minus_one():
    policy, start = torch.tensor([-1.0, -3.0, -2.0]), torch.tensor([-2.0, -1.0, -2.0])
    # d = start - policy = -1, 2, 0 and k3 = exp(d) - 1 - d.
    wanted = torch.tensor([math.exp(-1) - 1 + 1, math.exp(2) - 1 - 2, 0.0])
    torch.testing.assert_close(k3(policy, start), wanted)


@pytest.mark.parametrize("width", [1e-6, 1e-3, 10.0])
def test_k3_is_never_negative_however_close_the_two_are(width: float):
    difference = torch.linspace(-width, width, 2001)
    # Computed as exp(d) - 1 - d it would be -1e-7 at times: float32 has no room for the square of 1e-6.
    assert (k3(torch.zeros(2001), difference) >= 0).all()


def test_k3_on_the_policys_samples_averages_to_the_kl():
    policy, start = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.5, 0.25, 0.25])
    wanted = float((policy * (policy / start).log()).sum())
    assert float((policy * k3(policy.log(), start.log())).sum()) == pytest.approx(wanted)


def test_a_policy_that_did_not_move_has_no_kl(tiny):
    found = kl_on_samples(Scorer(tiny()), Scorer(tiny()), responses())
    assert (found.estimate, found.low, found.high, found.n) == (0.0, 0.0, 0.0, 12)


def test_kl_is_the_mean_k3_per_token_inside_its_interval(tiny):
    policy, start, samples = tiny(), tiny(), responses()
    with torch.no_grad():
        policy.lm_head.weight.add_(0.02 * torch.randn_like(policy.lm_head.weight))
    tokens = [(list(tree.prompt), list(tree.branches[0].tokens)) for tree in samples]
    parts = [k3(by_hand(policy, *each), by_hand(start, *each)) for each in tokens]
    found = kl_on_samples(Scorer(policy), Scorer(start), samples)
    # 42 tokens in 12 responses of 1 .. 6: a mean over responses would weigh short ones more.
    assert found.estimate == pytest.approx(float(torch.cat(parts).mean()), rel=1e-3)
    assert 0 < found.low < found.estimate < found.high
    assert found.n == 12


def test_kl_grows_with_the_distance_and_its_interval_follows_the_seed(tiny):
    def moved(by: float) -> Scorer:
        policy = tiny()
        torch.manual_seed(5)
        with torch.no_grad():
            policy.lm_head.weight.add_(by * torch.randn_like(policy.lm_head.weight))
        return Scorer(policy)

    start, samples = Scorer(tiny()), responses()
    near, far = (kl_on_samples(moved(by), start, samples) for by in (0.01, 0.1))
    assert near.high < far.low
    assert kl_on_samples(moved(0.01), start, samples) == near
    other = kl_on_samples(moved(0.01), start, samples, seed=1)
    assert other.estimate == near.estimate
    assert (other.low, other.high) != (near.low, near.high)
