"""The work of every loop on a step: seed it, set its learning rate, learn, call the hooks.

A step depends on the seed, the step number, the parameters and the optimiser's moments alone. A run that
starts at step k with the parameters and moments of step k therefore equals the unbroken run.
"""

from collections.abc import Callable, Sequence

import torch

from truing.config.recipe import Optim
from truing.models.world import world
from truing.training.hooks import EarlyStop, Hook, Logs
from truing.training.optim import learning_rate_at, set_learning_rate
from truing.training.plan import Plan
from truing.training.step import DivergedItems


def _seed_of(seed: int, step: int, rank: int) -> int:
    return (seed * 1_000_003 + step + (rank << 40)) % 2**63


def take_step(
    plan: Plan,
    learn: Callable[[int], Logs],  # a step to its metrics, its updates done
    optimizer: torch.optim.Optimizer,
    config: Optim,
    step: int,
    *,
    peak: float,
) -> Logs:
    """Take one step with its seed and its learning rate, up to `peak`; return its metrics."""
    torch.manual_seed(_seed_of(plan.seed, step, world().rank))
    rate = learning_rate_at(step, plan.total, config, peak)
    set_learning_rate(optimizer, rate)
    return {"epoch": round(step / plan.steps_per_epoch, 4), "learning_rate": rate} | learn(step)


def run_steps(
    plan: Plan,
    take: Callable[[int], Logs],  # a step to its metrics, as `take_step` returns them
    *,
    start: int = 0,
    hooks: Sequence[Hook] = (),
) -> int:
    """Run steps `start + 1 .. plan.total` and their hooks; return the last step taken.

    Raises DivergedError with the step where a number is not finite.
    """
    step = start
    for step in range(start + 1, plan.total + 1):
        try:
            logs = take(step)
            for hook in hooks:
                hook(step, logs)
        except DivergedItems as error:
            raise error.at_step(step) from error
        except EarlyStop:
            break
    return step
