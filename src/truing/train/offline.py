"""The loop of every offline method: SFT, preference losses, reward models.

All that a step depends on (its items, its learning rate, its dropout) is a function of the seed and the
step number, so starting at step k with the parameters and moments of step k is the unbroken run.
"""

from collections.abc import Callable, Sequence

import torch

from truing.core.recipe import Optim
from truing.data.packing import PackedBatch
from truing.models.scoring import without_dropout
from truing.train.hooks import EarlyStop, Hook, Logs
from truing.train.optim import learning_rate_at, set_learning_rate
from truing.train.plan import Plan
from truing.train.step import Objective, accumulate, learn_step

Batches = Callable[[Sequence[int]], list[PackedBatch]]  # items to the passes that hold them


def _seed_of(seed: int, step: int) -> int:
    return (seed * 1_000_003 + step) % 2**63


def train(
    plan: Plan,
    batches: Batches,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    config: Optim,
    *,
    peak: float,
    start: int = 0,
    hooks: Sequence[Hook] = (),
) -> int:
    """Run steps `start + 1 .. plan.total` with learning rate up to `peak`; returns the last step taken."""
    step = start
    for step in range(start + 1, plan.total + 1):
        torch.manual_seed(_seed_of(plan.seed, step))
        rate = learning_rate_at(step, plan.total, config, peak)
        set_learning_rate(optimizer, rate)
        logs: Logs = {"epoch": round(step / plan.steps_per_epoch, 4), "learning_rate": rate}
        passes = batches(plan.items_of(step))
        logs |= learn_step(optimizer, passes, objective, max_grad_norm=config.max_grad_norm)
        try:
            for hook in hooks:
                hook(step, logs)
        except EarlyStop:
            break
    return step


def evaluate(passes: Sequence[PackedBatch], objective: Objective) -> Logs:
    """The means of an objective over held-out passes, without gradient and without dropout."""
    with without_dropout(objective.scorer):
        return accumulate(passes, objective, backward=False)
