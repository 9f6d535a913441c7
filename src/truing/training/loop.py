"""What every loop does with a step: seed it, set its learning rate, learn, tell the hooks.

All that a step depends on is a function of the seed and the step number, so starting at step k with the
parameters and moments of step k is the unbroken run.
"""

from collections.abc import Callable, Sequence

import torch

from truing.config.recipe import Optim
from truing.training.hooks import EarlyStop, Hook, Logs
from truing.training.optim import learning_rate_at, set_learning_rate
from truing.training.plan import Plan
from truing.training.step import DivergedItems


def _seed_of(seed: int, step: int) -> int:
    return (seed * 1_000_003 + step) % 2**63


def run_steps(
    plan: Plan,
    learn: Callable[[int], Logs],  # a step to its metrics, its updates done
    optimizer: torch.optim.Optimizer,
    config: Optim,
    *,
    peak: float,
    start: int = 0,
    hooks: Sequence[Hook] = (),
) -> int:
    """Run steps `start + 1 .. plan.total` with learning rate up to `peak`; returns the last step taken.

    A number that is not finite names the step.
    """
    step = start
    for step in range(start + 1, plan.total + 1):
        torch.manual_seed(_seed_of(plan.seed, step))
        rate = learning_rate_at(step, plan.total, config, peak)
        set_learning_rate(optimizer, rate)
        logs: Logs = {"epoch": round(step / plan.steps_per_epoch, 4), "learning_rate": rate}
        try:
            logs |= learn(step)
            for hook in hooks:
                hook(step, logs)
        except DivergedItems as error:
            raise error.at_step(step) from error
        except EarlyStop:
            break
    return step
