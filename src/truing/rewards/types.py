"""What is scored and what comes of it: plain records, no torch.

A reward takes a batch of `Item`s and gives one `RewardOutcome` for each, in order. It never raises because of
what a response says: what it cannot score it calls `Failed`, and a failure is never a score. What is not its
to score it calls `NotMine`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from truing.core.records import Message
from truing.sampling.types import Finish


@dataclass(frozen=True, slots=True)
class Item:
    """One response to score, the prompt it answers, and what its row says besides."""

    prompt: tuple[Message, ...]
    response: str
    finish: Finish | None = None  # None: it was not sampled here
    tokens: int | None = None  # how many were sampled, the stop token included
    reference: str | None = None  # the row's answer, see `reference.py`
    category: str | None = None
    columns: Mapping[str, object] = field(default_factory=dict)  # the other fields of the row
    place: str = ""  # of the row, `file:line`
    given: str = ""  # `Record.given` of the row


@dataclass(frozen=True, slots=True)
class ScoredItem:
    """A score, which is a finite number."""

    value: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"{self.value} is no score")


@dataclass(frozen=True, slots=True)
class Failed:
    """No score, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotMine:
    """No score, for the reward is about other responses: it has no part in this one's."""

    reason: str = "the reward is not for this response"


RewardOutcome = ScoredItem | Failed | NotMine


class Reward(Protocol):
    """Scores a batch; as many outcomes as items, in their order."""

    def __call__(self, items: Sequence[Item], /) -> list[RewardOutcome]: ...


def place_of(item: Item, index: int) -> str:
    """How a message names the item at `index` of a batch."""
    return f"item {index}" + (f" ({item.place})" if item.place else "")
