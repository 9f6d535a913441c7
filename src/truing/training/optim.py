"""The optimiser and its learning rate. The rate is a function of the step alone, so no state is saved."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from truing.config.recipe import Optim


@dataclass(frozen=True)
class TrainedPart:
    """Parameters with a learning rate of their own, whose gradients are clipped apart from the others'."""

    name: str  # of its gradient norm in the logs; empty for the policy's
    parameters: Mapping[str, torch.nn.Parameter]
    learning_rate: float


def make_optimizer(parts: Sequence[TrainedPart], config: Optim) -> torch.optim.AdamW:
    """Make AdamW (arXiv:1711.05101) over all parts; vectors (norms, biases) do not decay.

    The schedule moves the rates of all parts together: a group's `share` is its rate over the first part's.
    """
    first = parts[0].learning_rate
    groups = [
        {
            "params": [p for p in part.parameters.values() if (p.ndim >= 2) == decays],
            "weight_decay": config.weight_decay if decays else 0.0,
            "lr": part.learning_rate,
            "share": part.learning_rate / first,
            "part": part.name,
        }
        for part in parts
        for decays in (True, False)
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=first, betas=config.betas, eps=config.eps)


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
        group["lr"] = rate * group.get("share", 1.0)
