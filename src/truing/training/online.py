"""The loop of every online method: sample, score, give credit, learn.

A step samples responses of the policy as it is now and learns from them alone, in one update or several.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from truing.config.recipe import Optim
from truing.data.packing import PackedBatch
from truing.models.room import Room
from truing.training.hooks import Hook, Logs
from truing.training.loop import run_steps
from truing.training.plan import Plan
from truing.training.step import Objective, learn_step, smaller


@dataclass(frozen=True)
class Gathered:
    """The objective and the passes that one step learns from, with the metrics of sampling them."""

    objective: Objective
    updates: Sequence[Callable[[], list[PackedBatch]]]  # the passes of each, made when it is its turn
    logs: Logs  # of sampling and rewards
    target_kl: float = math.inf  # the rest of the updates are left out once approx_kl is above it
    room: Room | None = None  # the bound to which `updates` cut passes


def train(
    plan: Plan,
    gather: Callable[[int], Gathered],
    optimizer: torch.optim.Optimizer,
    config: Optim,
    *,
    peak: float,
    start: int = 0,
    hooks: Sequence[Hook] = (),
) -> int:
    """Do the updates that `gather` returns for each step, and average their metrics.

    The other arguments and the result are `run_steps`'s. A step with nothing to learn from moves nothing.
    """

    def learn(step: int) -> Logs:
        gathered = gather(step)
        found: list[Logs] = []
        for passes in gathered.updates:
            again, most = smaller(gathered.room, passes), config.max_grad_norm
            logs = learn_step(optimizer, passes(), gathered.objective, max_grad_norm=most, again=again)
            found.append(logs)
            if logs["approx_kl"] > gathered.target_kl:
                break
        return {**gathered.logs, **_means(found), "updates": float(len(found))}

    return run_steps(plan, learn, optimizer, config, peak=peak, start=start, hooks=hooks)


def _means(logs: Sequence[Logs]) -> Logs:
    """Each metric's mean over the updates that have it."""
    values: dict[str, list[float]] = {}
    for one in logs:
        for name, value in one.items():
            values.setdefault(name, []).append(value)
    return {name: sum(found) / len(found) for name, found in values.items()}
