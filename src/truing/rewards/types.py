"""The items that rewards score and the outcomes of scoring: plain records, no torch.

A reward takes a batch of `Item`s and returns one `RewardOutcome` for each, in order. No text of a response
makes it raise: a response that it cannot score gets `Failed`, and a failure is never a score. A response that
the reward is not about gets `NotMine`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from truing.core.records import Message, RubricItem
from truing.judges.rubrics import RubricVerdict
from truing.sampling.types import Finish


@dataclass(frozen=True, slots=True)
class Item:
    """One response to score, the prompt it answers, and the other fields of its row."""

    prompt: tuple[Message, ...]
    response: str
    finish: Finish | None = None  # None: it was not sampled here
    tokens: int | None = None  # how many were sampled, the stop token included
    reference: str | None = None  # the row's answer, see `reference.py`
    category: str | None = None
    columns: Mapping[str, object] = field(default_factory=dict)  # the other fields of the row
    place: str = ""  # of the row, `file:line`
    given: str = ""  # `Record.given` of the row
    rubric: tuple[RubricItem, ...] = ()  # the row's own, see `data/opinions.py`


@dataclass(frozen=True, slots=True)
class ScoredItem:
    """A score, which is a finite number."""

    value: float
    verdict: RubricVerdict | None = None  # on each item of the row's rubric, where the score is of one

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"{self.value} is no score")


@dataclass(frozen=True, slots=True)
class Failed:
    """No score, and the reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotMine:
    """No score, since the reward is about other responses: it is left out of this response's sum."""

    reason: str = "the reward is not for this response"


RewardOutcome = ScoredItem | Failed | NotMine


class Reward(Protocol):
    """A function that scores a batch: one outcome for each item, in order."""

    def __call__(self, items: Sequence[Item], /) -> list[RewardOutcome]: ...


def place_of(item: Item, index: int) -> str:
    """Return the name of the item at `index` of a batch, for messages."""
    return f"item {index}" + (f" ({item.place})" if item.place else "")
