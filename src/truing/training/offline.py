"""The step and the evaluation of every offline method: SFT, preference losses, reward models."""

from collections.abc import Callable, Sequence

import torch

from truing.config.recipe import Optim
from truing.data.packing import PackedBatch
from truing.models.room import Overfull, Room
from truing.models.scoring import without_dropout
from truing.training.hooks import Logs
from truing.training.step import Again, Objective, accumulate_within, learn_step, smaller

Batches = Callable[[Sequence[int]], list[PackedBatch]]  # items to the passes that hold them


def learn(
    items: Sequence[int],
    batches: Batches,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    config: Optim,
    room: Room | None = None,
) -> Logs:
    """Do one update on the items of a step.

    `room` bounds the passes that `batches` cuts. Where memory runs out, `room` shrinks and they are cut anew.
    """
    again = smaller(room, lambda: batches(items))
    return learn_step(optimizer, batches(items), objective, max_grad_norm=config.max_grad_norm, again=again)


def evaluate(passes: Sequence[PackedBatch], objective: Objective, again: Again | None = None) -> Logs:
    """Return the means of an objective over held-out passes, without gradient and without dropout."""
    with without_dropout(objective.scorer):
        try:
            return accumulate_within(passes, objective, again=again, backward=False)
        except Overfull as error:
            raise error.held_out() from error
