"""The distance of a policy from its start: perplexity on neutral text, and KL on its own samples."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from truing.core.errors import DataError
from truing.core.messages import message
from truing.data.trees import Branch, Tree
from truing.models.reference import score_all
from truing.models.scoring import Scorer
from truing.stats.clusters import clustered_ratio
from truing.stats.intervals import Interval

TOKENS_PER_PASS = 2048


def score_trees(scorer: Scorer, trees: Sequence[Tree]) -> list[Tensor]:
    """Return the log-probabilities of every tree's scored tokens, [n] f32 each."""
    found = score_all(scorer, trees, TOKENS_PER_PASS)
    return [found[i] for i in range(len(trees))]


def text_trees(texts: Sequence[str], tokenizer) -> list[Tree]:
    """Return plain texts as trees: the first token is the prompt, all other tokens are scored."""
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    return [Tree(row[:1], (Branch(row[1:], [True] * (len(row) - 1)),)) for row in ids if len(row) > 1]


@dataclass(frozen=True)
class Perplexity:
    """exp of the mean negative log-probability per token, with the per-text means behind it."""

    value: float
    nll: np.ndarray  # [texts] summed over tokens
    tokens: np.ndarray  # [texts]


def perplexity(scorer: Scorer, texts: Sequence[str], tokenizer) -> Perplexity:
    """Return the token-weighted perplexity of `texts` under a policy.

    Raises DataError for texts without two tokens.
    """
    trees = text_trees(texts, tokenizer)
    if not trees:
        said = "none of {n} texts has two tokens, so no token can be predicted"
        raise DataError(message(said, n=len(texts)))
    logps = score_trees(scorer, trees)
    nll = np.array([-float(row.sum()) for row in logps])
    tokens = np.array([len(row) for row in logps])
    return Perplexity(math.exp(nll.sum() / tokens.sum()), nll, tokens)


def k3(policy: Tensor, start: Tensor) -> Tensor:
    """Return the per-token KL estimate, [n] to [n].

    exp(d) - d - 1 with d = log start - log policy, J. Schulman 2020.
    """
    difference = start - policy
    return torch.expm1(difference) - difference


def kl_on_samples(
    policy: Scorer,
    start: Scorer,
    samples: Sequence[Tree],
    *,
    prompts: Sequence[Hashable] = (),
    seed: int = 0,
) -> Interval:
    """Return the mean per-token KL(policy || start) on the policy's samples; the interval resamples prompts.

    Unit: nats per token. Every tree of `samples` has one branch, a response of the policy. `prompts`
    names the prompt of each sample; without `prompts` every sample counts as a prompt of its own. Raises
    DataError where there are no samples.
    """
    found = score_trees(policy, samples), score_trees(start, samples)
    return kl_of_logps(*found, prompts=prompts, seed=seed)


def kl_of_logps(
    policy: Sequence[Tensor], start: Sequence[Tensor], *, prompts: Sequence[Hashable] = (), seed: int = 0
) -> Interval:
    """Return `kl_on_samples` from log-probabilities, [n] f32 each, with one model in memory at a time."""
    if not policy:
        raise DataError(
            message("no response to measure the KL on"), hint=message("all samples were empty or set aside")
        )
    gaps = [k3(ours, theirs) for ours, theirs in zip(policy, start, strict=True)]
    sums, tokens = [float(gap.sum()) for gap in gaps], [len(gap) for gap in gaps]
    return clustered_ratio(sums, tokens, prompts or range(len(gaps)), seed=seed)
