"""The loop of every offline method: SFT, preference losses, reward models."""

from collections.abc import Callable, Sequence

import torch

from truing.config.recipe import Optim
from truing.data.packing import PackedBatch
from truing.models.room import Overfull, Room
from truing.models.scoring import without_dropout
from truing.training.hooks import Hook, Logs
from truing.training.loop import run_steps
from truing.training.plan import Plan
from truing.training.step import Again, Objective, accumulate_within, learn_step, smaller

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
    room: Room | None = None,
) -> int:
    """Do one update per step on the plan's items. The other arguments and the result are `run_steps`'s.

    `room` bounds the passes that `batches` cuts. Where memory runs out, `room` shrinks and they are cut anew.
    """

    def learn(step: int) -> Logs:
        items = plan.items_of(step)
        again = smaller(room, lambda: batches(items))
        return learn_step(
            optimizer, batches(items), objective, max_grad_norm=config.max_grad_norm, again=again
        )

    return run_steps(plan, learn, optimizer, config, peak=peak, start=start, hooks=hooks)


def evaluate(passes: Sequence[PackedBatch], objective: Objective, again: Again | None = None) -> Logs:
    """Return the means of an objective over held-out passes, without gradient and without dropout."""
    with without_dropout(objective.scorer):
        try:
            return accumulate_within(passes, objective, again=again, backward=False)
        except Overfull as error:
            raise error.held_out() from error
