"""A trial of the user's own loss on made-up rows, before any weights are opened.

The trial tells two things: whether the loss is one number per item that depends on the policy, and whether
the loss of an item depends on the other items of its pass. A loss that does so would change with the cut into
passes. The rows run through the objective that will train, once as one pass and once one by one, so that the
loss is given the same arguments here as in training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from warnings import catch_warnings, simplefilter

import torch
from torch import Tensor

from truing.config.imports import told
from truing.core.errors import ConfigError, TruingError
from truing.core.records import Record, reply, user
from truing.data.packing import PackedBatch, pad
from truing.data.trees import Branch, Tree
from truing.models.scoring import Scores
from truing.objectives.binding import Hyper
from truing.objectives.mixing import Part
from truing.objectives.offline import LossRequest
from truing.objectives.shapes import Shape
from truing.training.step import Objective

ROWS, VOCABULARY = 7, 50


def is_coupled(part: Part, shape: Shape, hyper: Mapping[str, Hyper]) -> bool:
    """Tell whether the loss of an item depends on the other items that it is called with.

    Raises ConfigError where the loss fails, or returns something other than one number per item.
    """
    trees, numbers = _rows(shape), _Numbers()
    scorer = numbers.scores if shape.supplies[0] == "scores" else numbers
    objective = shape.objective.of(LossRequest(scorer, part.loss, hyper, numbers.reference))
    with torch.random.fork_rng(devices=[]), catch_warnings():
        simplefilter("ignore")  # such as of a standard deviation of one row
        together = _losses(part.name, shape, objective, trees)
        alone = torch.cat([_losses(part.name, shape, objective, [tree]) for tree in trees])
    return not torch.allclose(together, alone, rtol=1e-4, atol=1e-6, equal_nan=True)


def _losses(name: str, shape: Shape, objective: Objective, trees: Sequence[Tree]) -> Tensor:
    batch = pad(trees)
    bound, _ = objective.prepare([batch])
    try:
        losses, unit = bound(batch).losses[0]
    except TruingError:
        raise
    except Exception as error:  # whatever the user's own code raises
        raise ConfigError(f"{name} fails on {len(trees)} made-up rows: {told(error)}") from error
    count = bound.count(batch)[unit]
    expected = f"expected one number per {unit}, a tensor of shape [{count}] and dtype float32"
    if not isinstance(losses, Tensor):
        raise ConfigError(f"{name} gives a {type(losses).__name__}: {expected}")
    if losses.shape != (count,) or not losses.is_floating_point():
        kind = str(losses.dtype).removeprefix("torch.")
        raise ConfigError(f"{name} gives a tensor of shape {list(losses.shape)} and dtype {kind}: {expected}")
    if not losses.requires_grad:
        trained = shape.supplies[0]
        raise ConfigError(
            f"{name} gives numbers without a gradient: they are to be made of {trained}, attached"
        )
    return losses.detach()


def _rows(shape: Shape) -> list[Tree]:
    """Make rows that a loss of that shape learns from."""
    draw = torch.Generator().manual_seed(0)

    def branch() -> Branch:
        length = int(torch.randint(2, 7, (), generator=draw))
        return Branch(torch.randint(VOCABULARY, (length,), generator=draw).tolist(), [True] * length)

    found = []
    for i in range(ROWS):
        replies = tuple(reply("", score=score) for score in torch.rand(3, generator=draw).tolist())
        ranked = Record(user(""), replies, margin=i / ROWS)
        labelled = Record(user(""), (reply("", label=i % 3 == 0),))
        part = shape.teaches(ranked) or shape.teaches(labelled)
        assert part is not None, f"a shape learns from a ranking or a labelled response: {shape.wants}"
        tree = Tree([0], tuple(branch() for _ in part.responses))
        found.append(shape.labelled(tree, part))
    return found


@dataclass(frozen=True)
class _Numbers:
    """A stand-in for models: a number for each token, the same wherever the token stands."""

    device = torch.device("cpu")

    def _of(self, batch: PackedBatch, seed: int) -> Tensor:
        """Return made-up log-probabilities, [N] f32."""
        draw = torch.Generator().manual_seed(seed)
        return -3 * torch.rand(VOCABULARY, generator=draw)[batch.target]

    def __call__(self, batch: PackedBatch, **asked: Any) -> Scores:
        return Scores(self._of(batch, 1).requires_grad_(), collision=self._of(batch, 2))

    def reference(self, batch: PackedBatch) -> Tensor:
        return self._of(batch, 3)

    def scores(self, batch: PackedBatch) -> Tensor:
        """Return made-up scores of a reward model, [B] f32."""
        return batch.sums(self._of(batch, 1)).requires_grad_()
