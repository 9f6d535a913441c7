"""From logits to a token: the filters, and the draw. Pure functions on [B, V]; B rows, V tokens.

To add a filter, write a function logits → logits that sets excluded tokens to -inf, give `Sampling` a field
whose default leaves the filter off, and call it in `filtered` at its place in the order.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from truing.sampling.types import Sampling

OFF = -math.inf
STRETCH = 128  # tokens summed together when a token is looked for


@dataclass(frozen=True, slots=True)
class Drawn:
    tokens: Tensor  # [B] i64
    logprobs: Tensor | None  # [B] f32


def penalise_repeats(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Divide or multiply the logits of seen tokens [B, V] bool, so that they become less likely.

    Keskar et al. 2019 (CTRL), section 4.1.
    """
    return torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Keep the k most likely tokens, and any that tie with the last of these. [B, V] f32 to [B, V] f32."""
    least = logits.topk(min(k, logits.shape[-1]), dim=-1).values[:, -1:]
    return logits.masked_fill(logits < least, OFF)


def keep_top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the fewest most likely tokens whose probabilities reach p, and ties: Holtzman et al. 2020, eq. 3.

    Sorts the 128 most likely tokens first, and more while some row has not reached p: a full sort of a large
    vocabulary costs more than a step of a small model. [B, V] f32 to [B, V] f32.
    """
    vocabulary = logits.shape[-1]
    log_total = logits.logsumexp(-1, keepdim=True)
    width = min(vocabulary, 128)
    while True:
        best = logits.topk(width, dim=-1).values
        mass = (best - log_total).exp().cumsum(-1)
        if width == vocabulary or bool((mass[:, -1] >= p).all()):
            break
        width = min(vocabulary, 8 * width)
    last = (mass < p).sum(-1, keepdim=True).clamp(max=width - 1)
    return logits.masked_fill(logits < best.gather(-1, last), OFF)


def keep_min_p(logits: Tensor, min_p: float) -> Tensor:
    """Keep tokens at least min_p times as likely as the likeliest: Nguyen et al. 2024. [B, V] to f32."""
    return logits.masked_fill(logits < logits.amax(-1, keepdim=True) + math.log(min_p), OFF)


def filtered(logits: Tensor, sampling: Sampling, seen: Tensor | None) -> Tensor:
    """Return logits [B, V] of the distribution to draw from; `seen` [B, V] bool when there is a penalty.

    The result has the given dtype when no filter applies, else f32. Greedy sampling applies only the penalty.
    """
    if seen is not None:
        logits = penalise_repeats(logits.float(), seen, sampling.repetition_penalty)
    if sampling.greedy:
        return logits
    if sampling.temperature != 1:
        logits = logits.float() / sampling.temperature
    if sampling.top_k:
        logits = keep_top_k(logits.float(), sampling.top_k)
    if sampling.top_p < 1:
        logits = keep_top_p(logits.float(), sampling.top_p)
    if sampling.min_p > 0:
        logits = keep_min_p(logits.float(), sampling.min_p)
    return logits


def not_finite(logits: Tensor) -> list[int]:
    """Return the rows of [B, V] with no token to draw: a logit is NaN or infinite, or all are ruled out."""
    return torch.nonzero(~torch.isfinite(logits.amax(-1))).flatten().tolist()  # the most of NaN is NaN


def draw(logits: Tensor, uniforms: Tensor | None, *, logprobs: bool) -> Drawn:
    """Draw one token a row of [B, V]: by inverse CDF in order of token ids, else the likeliest.

    `uniforms` are [B], or None for the likeliest. Drawing takes one softmax; greedy sampling without
    log-probabilities takes none. No row may be one of `not_finite`.
    """
    if uniforms is None and not logprobs:
        return Drawn(tokens=_likeliest(logits), logprobs=None)
    probabilities = logits.softmax(-1, dtype=torch.float32)
    tokens = _likeliest(logits) if uniforms is None else _inverted(probabilities, uniforms)
    chosen = probabilities.gather(-1, tokens[:, None]).squeeze(-1).log() if logprobs else None
    return Drawn(tokens=tokens, logprobs=chosen)


def _inverted(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """Return the token [B] at which the running sum of [B, V] passes each uniform [B].

    Finds the stretch of the vocabulary first and then the place in it: a running sum over all of a large
    vocabulary costs more than the softmax.
    """
    rows, vocabulary = probabilities.shape
    if spare := -vocabulary % STRETCH:  # padding by nothing would still copy
        probabilities = pad(probabilities, (0, spare))
    stretches = probabilities.view(rows, -1, STRETCH)
    mass = stretches.sum(-1).cumsum(-1)
    # Below the total, not below 1: rounding never leads past the last token with any mass.
    wanted = uniforms[:, None] * mass[:, -1:]
    stretch = torch.searchsorted(mass, wanted, right=True)
    before = pad(mass, (1, 0)).gather(-1, stretch)
    inside = stretches[torch.arange(rows, device=mass.device), stretch[:, 0]].cumsum(-1)
    end = inside[:, -1:]
    wanted = torch.minimum(wanted - before, end.nextafter(torch.zeros_like(end)))
    return (stretch * STRETCH + torch.searchsorted(inside, wanted, right=True)).squeeze(-1)


def _likeliest(logits: Tensor) -> Tensor:
    # On a CPU argmax over bfloat16 takes several times as long as a copy to float32 and its argmax.
    return logits.float().argmax(-1)
