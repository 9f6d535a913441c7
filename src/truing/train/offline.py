"""The loop of every offline method: SFT, preference losses, reward models."""

from collections.abc import Callable, Sequence

import torch

from truing.core.recipe import Optim
from truing.data.packing import PackedBatch
from truing.models.scoring import without_dropout
from truing.train.hooks import Hook, Logs
from truing.train.loop import run_steps
from truing.train.plan import Plan
from truing.train.step import Objective, accumulate, learn_step

Batches = Callable[[Sequence[int]], list[PackedBatch]]  # items to the passes that hold them


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
    """One update per step on the plan's items. The other arguments and the result are `run_steps`'s."""

    def learn(step: int) -> Logs:
        return learn_step(
            optimizer, batches(plan.items_of(step)), objective, max_grad_norm=config.max_grad_norm
        )

    return run_steps(plan, learn, optimizer, config, peak=peak, start=start, hooks=hooks)


def evaluate(passes: Sequence[PackedBatch], objective: Objective) -> Logs:
    """The means of an objective over held-out passes, without gradient and without dropout."""
    with without_dropout(objective.scorer):
        return accumulate(passes, objective, backward=False)
