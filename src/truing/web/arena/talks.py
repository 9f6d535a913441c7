"""Conversations of the arena: rounds of one question and two responses, of which one goes on.

A round is written, then judged. The conversation goes on with the better response, so both models of the
next round read the same turns, and a vote is a preference between two responses to one prompt. After a tie
the side is drawn. A round whose responses were both bad, that was skipped or that failed is left out.
"""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from truing.core.errors import TruingError
from truing.core.records import Message, Turns
from truing.sampling.types import Finish, Sampling

RoundOutcome = Literal["left", "right", "tie", "both_bad", "skip"]  # by the side of the screen


class SideState(StrEnum):
    """The states of a side's response."""

    WRITING = "writing"
    DONE = "done"
    STOPPED = "stopped"  # by the person
    FAILED = "failed"


class RoundState(StrEnum):
    """The states of a round."""

    WRITING = "writing"
    READY = "ready"  # for a vote
    FAILED = "failed"  # one side has no response, so there is nothing to compare
    JUDGED = "judged"


@dataclass(eq=False)
class RoundSide:
    """One side of a round: the model, and its response so far."""

    model: str
    text: str = ""
    state: SideState = SideState.WRITING
    finish: Finish | None = None
    error: TruingError | None = None
    task: "asyncio.Task[None] | None" = None


@dataclass(eq=False)
class ArenaRound:
    """One question to two models. `prompt` are the turns that both were given, the question last."""

    number: int  # among all rounds of the arena, from 0
    prompt: Turns
    sampling: Sampling
    sides: tuple[RoundSide, RoundSide]  # left and right
    outcome: RoundOutcome | None = None
    goes_on: int | None = None  # the side whose response is part of the conversation

    @property
    def state(self) -> RoundState:
        states = {side.state for side in self.sides}
        if self.outcome is not None:
            return RoundState.JUDGED
        if SideState.WRITING in states:
            return RoundState.WRITING
        return RoundState.FAILED if SideState.FAILED in states else RoundState.READY

    @property
    def over(self) -> bool:
        """Tell whether the next question may be asked."""
        return self.state in (RoundState.JUDGED, RoundState.FAILED)

    @property
    def spent(self) -> bool:
        """Tell whether names spoil nothing: it was voted on, or can never be."""
        failed = any(side.state is SideState.FAILED for side in self.sides)
        return failed or self.outcome not in (None, "skip")

    @property
    def turns(self) -> Turns:
        """Return what the conversation keeps of the round: the question and a response, or nothing."""
        if self.goes_on is None:
            return ()
        return self.prompt[-1], Message("assistant", self.sides[self.goes_on].text)


@dataclass(eq=False)
class ArenaTalk:
    """A conversation of one person. Belongs to the event loop: no other thread may touch it."""

    person: int
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    rounds: list[ArenaRound] = field(default_factory=list)
    shape: int = 0  # grows with every change but new text
    voting: asyncio.Lock = field(default_factory=asyncio.Lock)
    changed: asyncio.Event = field(default_factory=asyncio.Event)  # another one for each change

    @property
    def turns(self) -> Turns:
        return tuple(turn for one in self.rounds for turn in one.turns)

    @property
    def newest(self) -> ArenaRound | None:
        return self.rounds[-1] if self.rounds else None

    def touch(self, *, shape: bool = True) -> None:
        """Wake those who follow: there is new text, or more has changed than that."""
        self.shape += shape
        self.changed.set()
        self.changed = asyncio.Event()

    def running(self) -> Iterator[RoundSide]:
        """Yield the sides that are being written."""
        for side in self.newest.sides if self.newest else ():
            if side.state is SideState.WRITING:
                yield side


async def waited(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event at most so long; tell whether it came."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
