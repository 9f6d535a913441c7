"""Log-probabilities of target tokens from hidden states, without ever holding [N, V].

A chunk of states at a time goes through the head. The gradient is exact. With a frozen head (LoRA, or
a frozen top) the gradient of each log-probability with respect to its state is computed in the same
pass as the value, and backward only scales it; with a trainable head the logits are recomputed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear

CHUNK = 512  # states per chunk: 512 x 50 000 logits are 100 MB in f32


@dataclass(frozen=True)
class Head:
    """What turns a state into logits: `cap * tanh(scale * (W h + b) / cap)`."""

    weight: Tensor  # [V, D]
    bias: Tensor | None = None  # [V]
    scale: float = 1.0  # Cohere's logit_scale, one over Granite's logits_scaling
    cap: float | None = None  # Gemma's final_logit_softcapping

    def logits(self, states: Tensor) -> Tensor:
        """[n, D] to [n, V] f32."""
        raw = linear(states.to(self.weight.dtype), self.weight, self.bias).float()
        if self.scale != 1.0:
            raw = raw * self.scale
        return self.cap * torch.tanh(raw / self.cap) if self.cap else raw

    def chain(self, grad: Tensor, logits: Tensor) -> Tensor:
        """Gradient with respect to `W h + b`, from the one with respect to `logits` (both [n, V] f32)."""
        if self.cap:
            grad = grad * (1 - (logits / self.cap).square())
        return grad * self.scale if self.scale != 1.0 else grad


def _picked(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """log-probability of each target and the log normaliser, both [n]."""
    normaliser = logits.logsumexp(-1)
    return logits.gather(1, target[:, None])[:, 0] - normaliser, normaliser


def _slope(logits: Tensor, normaliser: Tensor, target: Tensor) -> Tensor:
    """d log p(target) / d logits = onehot - softmax, [n, V] f32."""
    slope = torch.exp(logits - normaliser[:, None]).neg_()
    return slope.scatter_add_(1, target[:, None], torch.ones_like(normaliser)[:, None])


class _FrozenHead(torch.autograd.Function):
    """Value and per-token gradient in one pass over the vocabulary."""

    @staticmethod
    def forward(ctx, states: Tensor, target: Tensor, head: Head) -> Tensor:
        values = torch.empty(len(target), dtype=torch.float32, device=states.device)
        slopes = torch.empty_like(states)
        for start in range(0, len(target), CHUNK):
            part = slice(start, start + CHUNK)
            logits = head.logits(states[part])
            values[part], normaliser = _picked(logits, target[part])
            slope = head.chain(_slope(logits, normaliser, target[part]), logits)
            slopes[part] = (slope.to(head.weight.dtype) @ head.weight).to(states.dtype)
        ctx.save_for_backward(slopes)
        return values

    @staticmethod
    def backward(ctx, grad: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        (slopes,) = ctx.saved_tensors
        return slopes * grad[:, None].to(slopes.dtype), None, None


class _TrainableHead(torch.autograd.Function):
    """The same with gradients for the head; logits are recomputed in backward."""

    @staticmethod
    def forward(ctx, states: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor, head: Head) -> Tensor:
        ctx.save_for_backward(states, target)
        ctx.head = head
        parts = zip(states.split(CHUNK), target.split(CHUNK), strict=True)
        return torch.cat([_picked(head.logits(s), t)[0] for s, t in parts])

    @staticmethod
    def backward(ctx, grad: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        states, target = ctx.saved_tensors
        head: Head = ctx.head
        grad_states = torch.empty_like(states)
        grad_weight = torch.zeros_like(head.weight, dtype=torch.float32)
        grad_bias = None if head.bias is None else torch.zeros_like(head.bias, dtype=torch.float32)
        for start in range(0, len(target), CHUNK):
            part = slice(start, start + CHUNK)
            logits = head.logits(states[part])
            _, normaliser = _picked(logits, target[part])
            slope = _slope(logits, normaliser, target[part]).mul_(grad[part, None])
            slope = head.chain(slope, logits).to(head.weight.dtype)
            grad_states[part] = (slope @ head.weight).to(states.dtype)
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


def head_logprobs(states: Tensor, target: Tensor, head: Head) -> Tensor:
    """log softmax(head(states))[target]: [N, D] states and [N] int64 targets to [N] f32."""
    device = states.device.type
    with torch.autocast(device, enabled=False):
        if head.weight.requires_grad or (head.bias is not None and head.bias.requires_grad):
            return _TrainableHead.apply(states, head.weight, head.bias, target, head)  # pyright: ignore[reportReturnType]
        if torch.is_grad_enabled() and states.requires_grad:
            return _FrozenHead.apply(states, target, head)  # pyright: ignore[reportReturnType]
        parts = zip(states.split(CHUNK), target.split(CHUNK), strict=True)
        return torch.cat([_picked(head.logits(s), t)[0] for s, t in parts])


@torch.no_grad()
def head_entropy(states: Tensor, head: Head) -> Tensor:
    """Entropy in nats of the next-token distribution of every state, [N, D] to [N] f32. For logs only."""
    parts = []
    for chunk in states.split(CHUNK):
        logps = head.logits(chunk).log_softmax(-1)
        parts.append(-(logps.exp() * logps).sum(-1))
    return torch.cat(parts)
