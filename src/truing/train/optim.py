"""The optimiser and its learning rate; the rate is a function of the step alone, so nothing needs saving."""

import math
from collections.abc import Iterable

import torch

from truing.core.recipe import Optim


def make_optimizer(
    parameters: Iterable[tuple[str, torch.nn.Parameter]], config: Optim, learning_rate: float
) -> torch.optim.AdamW:
    """AdamW (arXiv:1711.05101) over the trainable parameters; vectors (norms, biases) do not decay."""
    named = [(name, p) for name, p in parameters if p.requires_grad]
    groups = [
        {"params": [p for _, p in named if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for _, p in named if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=config.betas, eps=config.eps)


SCHEDULES = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
}


def learning_rate_at(step: int, total: int, config: Optim, peak: float) -> float:
    """The rate of optimiser step `step` (1 .. total): linear warm-up, then the schedule down to 0."""
    warmup = min(config.warmup_steps(total), total - 1)
    if step <= warmup:
        return peak * step / (warmup + 1)
    return peak * SCHEDULES[config.schedule]((step - 1 - warmup) / max(1, total - warmup))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
