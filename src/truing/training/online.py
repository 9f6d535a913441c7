"""The step of every online method: sample, score, give credit, learn.

A step samples responses of the policy as it is now and learns from them alone, in one update or several.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from truing.config.recipe import Optim
from truing.data.packing import PackedBatch
from truing.models.room import Room
from truing.training.hooks import Logs
from truing.training.step import Objective, learn_step, smaller


@dataclass(frozen=True)
class Gathered:
    """The objective and the passes that one step learns from, with the metrics of sampling them."""

    objective: Objective
    updates: Sequence[Callable[[], list[PackedBatch]]]  # the passes of each, made when it is its turn
    logs: Logs  # of sampling and rewards
    target_kl: float = math.inf  # the rest of the updates are left out once approx_kl is above it
    room: Room | None = None  # the bound to which `updates` cut passes


def learn(gathered: Gathered, optimizer: torch.optim.Optimizer, config: Optim) -> Logs:
    """Do the updates of one step, and average their metrics.

    A step with nothing to learn from moves nothing.
    """
    found: list[Logs] = []
    for passes in gathered.updates:
        again, most = smaller(gathered.room, passes), config.max_grad_norm
        logs = learn_step(optimizer, passes(), gathered.objective, max_grad_norm=most, again=again)
        found.append(logs)
        if logs["approx_kl"] > gathered.target_kl:
            break
    return {**gathered.logs, **_means(found), "updates": float(len(found))}


def _means(logs: Sequence[Logs]) -> Logs:
    """Each metric's mean over the updates that have it."""
    values: dict[str, list[float]] = {}
    for one in logs:
        for name, value in one.items():
            values.setdefault(name, []).append(value)
    return {name: sum(found) / len(found) for name, found in values.items()}
