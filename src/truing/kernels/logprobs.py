"""Log-probabilities of target tokens from hidden states, without ever holding [N, V].

A chunk of states at a time goes through the head. The gradient is exact. With a frozen head (LoRA, or
a frozen top) the gradient of each log-probability with respect to its state is computed in the same
pass as the value, and backward only scales it; with a trainable head the logits are recomputed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import pad

from truing.kernels.products import product

# Bytes of f32 logits alive at a time. Below the 32 MB at which glibc's allocator hands memory back to the
# system after every use: the page faults of larger buffers cost more than the head itself.
BUFFER = 24 << 20
# Rows of a matrix product are rounded up to a multiple of this. oneDNN builds and keeps a kernel for every
# number of rows it meets: without rounding, each pass would pay milliseconds and megabytes for new ones.
GRAIN = 64


def _chunks(count: int, vocabulary: int) -> Iterator[slice]:
    size = max(GRAIN, BUFFER // (4 * vocabulary) // GRAIN * GRAIN)
    return (slice(start, start + size) for start in range(0, count, size))


@dataclass(frozen=True)
class Head:
    """The map from a state to logits: `cap * tanh(scale * (W h + b) / cap)`."""

    weight: Tensor  # [V, D]
    bias: Tensor | None = None  # [V]
    scale: float = 1.0  # see `families.logit_rule`
    cap: float | None = None

    def logits(self, states: Tensor) -> Tensor:
        """Turn states, [n, D], into logits, [n, V] f32."""
        raw = product(states.to(self.weight.dtype), self.weight, self.bias).float()
        if self.scale != 1.0:
            raw = raw * self.scale
        return self.cap * torch.tanh(raw / self.cap) if self.cap else raw

    def back(self, slope: Tensor) -> Tensor:
        """Turn a gradient with respect to `W h + b`, [n, V], into one with respect to h, [n, D]."""
        return product(slope.to(self.weight.dtype), self.weight.t())

    def bend(self, logits: Tensor) -> Callable[[Tensor], Tensor]:
        """Make the map from a gradient by `logits` to the gradient by `W h + b`, both [n, V] f32."""
        if self.cap:
            inner = (1 - (logits / self.cap).square()) * self.scale
            return lambda grad: grad * inner
        return lambda grad: grad if self.scale == 1.0 else grad * self.scale


def _softmax(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return probabilities, [n, V], and the log of their divisor, [n], in the fewest passes over memory.

    The largest probability is exp(largest logit - that log), and at least 1 / V.
    """
    probable = logits.softmax(-1)
    return probable, logits.amax(-1) - probable.amax(-1).log_()


def _picked(logits: Tensor, target: Tensor, total: Tensor) -> Tensor:
    """Return the log-probability of each target, [n]."""
    return logits.gather(1, target[:, None])[:, 0] - total


def _slope(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return log p(target), [n], and its gradient onehot - softmax, [n, V]."""
    probable, total = _softmax(logits)
    values = _picked(logits, target, total)
    slope = probable.neg_().scatter_add_(1, target[:, None], torch.ones_like(values)[:, None])
    return values, slope


class _ScaledSlopes(torch.autograd.Function):
    """Backward of a forward that saved the gradient of each of its values with respect to its state."""

    @staticmethod
    def backward(ctx, grad: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        (slopes,) = ctx.saved_tensors
        return slopes * grad[:, None].to(slopes.dtype), None, None


class _FrozenHead(_ScaledSlopes):
    """Value and per-token gradient in one pass over the vocabulary."""

    @staticmethod
    def forward(ctx, states: Tensor, target: Tensor, head: Head) -> Tensor:
        values = torch.empty(len(target), dtype=torch.float32, device=states.device)
        slopes = torch.empty_like(states)
        for part in _chunks(len(target), len(head.weight)):
            logits = head.logits(states[part])
            bend = head.bend(logits)
            values[part], slope = _slope(logits, target[part])
            slopes[part] = head.back(bend(slope))
        ctx.save_for_backward(slopes)
        return values


class _TrainableHead(torch.autograd.Function):
    """Log-probabilities with gradients for the head too; logits are recomputed in backward."""

    @staticmethod
    def forward(
        ctx, states: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor, head: Head
    ) -> Tensor:
        ctx.save_for_backward(states, target)
        ctx.head = head
        return _values(states, target, head)

    @staticmethod
    def backward(ctx, grad: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        states, target = ctx.saved_tensors
        head: Head = ctx.head
        grad_states = torch.empty_like(states)
        grad_weight = torch.zeros_like(head.weight, dtype=torch.float32)
        grad_bias = None if head.bias is None else torch.zeros_like(head.bias, dtype=torch.float32)
        for part in _chunks(len(target), len(head.weight)):
            logits = head.logits(states[part])
            bend = head.bend(logits)
            slope = bend(_slope(logits, target[part])[1].mul_(grad[part, None])).to(head.weight.dtype)
            grad_states[part] = head.back(slope)
            grad_weight += (slope.T @ states[part].to(slope.dtype)).float()
            if grad_bias is not None:
                grad_bias += slope.sum(0).float()
        return (
            grad_states,
            grad_weight.to(head.weight.dtype),
            None if grad_bias is None else grad_bias.to(head.weight.dtype),
            None,
            None,
        )


def _values(states: Tensor, target: Tensor, head: Head) -> Tensor:
    values = []
    for part in _chunks(len(target), len(head.weight)):
        logits = head.logits(states[part])
        values.append(_picked(logits, target[part], _softmax(logits)[1]))
    return torch.cat(values)


def head_logprobs(states: Tensor, target: Tensor, head: Head) -> Tensor:
    """Return log softmax(head(states))[target]: [N, D] states and [N] int64 targets to [N] f32."""
    count = len(target)
    tail = -count % GRAIN
    states, target = pad(states, (0, 0, 0, tail)), pad(target, (0, tail))
    with torch.autocast(states.device.type, enabled=False):
        if head.weight.requires_grad or (head.bias is not None and head.bias.requires_grad):
            values = _TrainableHead.apply(states, head.weight, head.bias, target, head)
        elif torch.is_grad_enabled() and states.requires_grad:
            values = _FrozenHead.apply(states, target, head)
        else:
            values = _values(states, target, head)
    return cast(Tensor, values)[:count]


class _FrozenDivergence(_ScaledSlopes):
    """KL(reference || policy) and its gradient in one pass over the vocabulary."""

    @staticmethod
    def forward(ctx, states: Tensor, reference: Tensor, head: Head) -> Tensor:
        values = torch.empty(len(states), dtype=torch.float32, device=states.device)
        slopes = torch.empty_like(states)
        for part in _chunks(len(states), len(head.weight)):
            logits = head.logits(states[part])
            bend = head.bend(logits)
            there = head.logits(reference[part])
            (policy, total), (probable, total_there) = _softmax(logits), _softmax(there)
            values[part] = there.sub_(logits).mul_(probable).sum(-1) + (total - total_there)
            slopes[part] = head.back(bend(policy.sub_(probable)))
        ctx.save_for_backward(slopes)
        return values


def head_divergence(states: Tensor, reference: Tensor, head: Head) -> Tensor:
    """Return KL(reference || policy) over the whole vocabulary, in nats: two [N, D] states to [N] f32.

    The gradient reaches `states` alone: the head must be frozen, as it is under an adapter.
    """
    if head.weight.requires_grad:
        raise ValueError("the divergence of two states through one head needs that head frozen")
    count = len(states)
    tail = -count % GRAIN
    states, reference = pad(states, (0, 0, 0, tail)), pad(reference, (0, 0, 0, tail))
    with torch.autocast(states.device.type, enabled=False):
        return cast(Tensor, _FrozenDivergence.apply(states, reference, head))[:count]


@torch.no_grad()
def _each(states: Tensor, head: Head, summary: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply `summary`, [n, V] to [n], to the next token's log-probabilities by chunks: [N, D] to [N]."""
    parts = _chunks(len(states), len(head.weight))
    return torch.cat([summary(head.logits(states[part]).log_softmax(-1)) for part in parts])


def head_entropy(states: Tensor, head: Head) -> Tensor:
    """Return the entropy in nats of every state's next token, [N, D] to [N] f32, without gradient."""
    return _each(states, head, lambda logps: -(logps.exp() * logps).sum(-1))


def head_collision(states: Tensor, head: Head) -> Tensor:
    """Return log(sum of p^2 over the vocabulary), [N, D] to [N] f32, without gradient.

    The sum is the probability that two samples agree."""
    return _each(states, head, lambda logps: (2 * logps).logsumexp(-1))
