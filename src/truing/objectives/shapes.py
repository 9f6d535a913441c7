"""The shapes of losses: the part of a record that each is a function of, its labels, and its objective."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, Self

from truing.core.records import Kind, Record
from truing.data.trees import Tree
from truing.objectives.binding import names_of
from truing.objectives.offline import LikelihoodObjective, LossRequest, PairObjective, UnpairedObjective
from truing.objectives.reward import RankingObjective, RegressionObjective, RewardPairObjective
from truing.training.step import Objective


def demonstration(record: Record) -> Record | None:
    """Return the best response alone; None where it is labelled undesirable, which teaches nothing here."""
    if record.kind is Kind.PROMPT or record.chosen.label is False:
        return None
    return replace(record, responses=(record.chosen,))


def pair(record: Record) -> Record | None:
    """Return the best and the worst response as a pair."""
    if record.kind not in (Kind.PREFERENCE, Kind.RANKING):
        return None
    return replace(record, responses=(record.chosen, record.rejected))


def ranking(record: Record) -> Record | None:
    """Return all responses of a row that ranks them."""
    return record if record.kind in (Kind.PREFERENCE, Kind.RANKING) else None


def labelled(record: Record) -> Record | None:
    """Return one response with its label."""
    return record if record.kind is Kind.UNPAIRED else None


def scored(record: Record) -> Record | None:
    """Return the responses that have a score."""
    kept = tuple(response for response in record.responses if response.score is not None)
    return replace(record, responses=kept) if kept else None


def unpaired(record: Record) -> list[Record]:
    """Return a pair as two rows: its chosen response is desirable, its rejected one is not.

    The best and the worst response of a ranking make a pair; those between are left out. Other rows are
    returned as they are.
    """
    if (both := pair(record)) is None:
        return [record]
    sides = zip(both.responses, (True, False), strict=True)
    return [replace(record, responses=(replace(side, label=label),), margin=None) for side, label in sides]


def doubt(record: Record) -> float:
    """Return the chance that the rejected response of a pair is the better one; 0 where a row has none."""
    return 0.0 if record.probability is None else 1 - record.probability


class Bindable(Objective, Protocol):
    """An objective that a loss can be bound to."""

    supplies: ClassVar[type]  # the record whose methods supply the arguments of a loss
    couples: ClassVar[bool]  # whether it can show a loss all items of a step at once

    @classmethod
    def of(cls, asked: LossRequest) -> Self: ...


@dataclass(frozen=True)
class Shape:
    """The shape of a loss: `teaches` gives the part of a record it trains on, None if there is none."""

    wants: str  # the rows it needs, in words for messages
    teaches: Callable[[Record], Record | None]
    objective: type[Bindable]
    labels: Callable[[Record], tuple[float, ...]] = lambda record: ()

    def labelled(self, tree: Tree, record: Record) -> Tree:
        """Return the tree of a record, each branch with the label that the record gives it."""
        return replace(tree, labels=self.labels(record))

    @property
    def supplies(self) -> tuple[str, ...]:
        """List the arguments that a loss of this shape may ask for, the trained one first."""
        return names_of(self.objective.supplies)


DEMONSTRATION = Shape("a prompt with a response", demonstration, LikelihoodObjective)
PAIR = Shape(
    "a chosen and a rejected response",
    pair,
    PairObjective,
    labels=lambda record: (0.0, doubt(record)),
)
UNPAIRED = Shape(
    "a response with a label (data.unpair: true makes two of every pair)",
    labelled,
    UnpairedObjective,
    labels=lambda record: (float(bool(record.chosen.label)),),
)
SCORED_PAIR = Shape(
    "a chosen and a rejected response",
    pair,
    RewardPairObjective,
    labels=lambda record: (record.margin or 0.0, doubt(record)),
)
RANKING = Shape(
    "two or more ranked responses",
    ranking,
    RankingObjective,
    labels=lambda record: tuple(
        float(place if response.rank is None else response.rank)
        for place, response in enumerate(record.responses)
    ),
)
SCORED = Shape(
    "responses with a score",
    scored,
    RegressionObjective,
    labels=lambda record: tuple(float(response.score or 0.0) for response in record.responses),
)
