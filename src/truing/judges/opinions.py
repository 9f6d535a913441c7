"""An opinion of a judge, or the reason that there is none; and the interface of whatever is asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Protocol, TypeVar

from truing.core.records import Turns

Opinion = TypeVar("Opinion")
CountOne = Callable[[], object]


class NoVerdictError(Exception):
    """No verdict on one question, and the reason. Functions that read answers raise it too."""


class PassingError(NoVerdictError):
    """No verdict yet: asking again may help, `wait` seconds later at the earliest."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class NoVerdict:
    """A question that failed, and the reason."""

    reason: str


class Asker(Protocol):
    """A model that answers questions: on a server (`client.py`) or on this machine (`local.py`)."""

    def ask(self, questions: Sequence[Turns], read: Callable[[str], Opinion]) -> list[Opinion | NoVerdict]:
        """Return the opinion that `read` finds in each question's answer, in order; ask equal ones once.

        `read` raises NoVerdictError on an answer that gives no opinion; such an answer is not kept.
        """
        ...


def uncounted() -> None:
    """Count nothing."""


class TickingAsker(Protocol):
    """A model that says how far it has come."""

    def ask(
        self, questions: Sequence[Turns], read: Callable[[str], Opinion], tick: CountOne = uncounted
    ) -> list[Opinion | NoVerdict]:
        """Do what `Asker.ask` does, and call `tick` once for each question that has its opinion or has none.

        A question that is kept or equal to another counts at once. Where an error ends the asking, questions
        without an end are not counted.
        """
        ...


@dataclass(frozen=True)
class CountedAsker:
    """A model that calls `tick` for each question, for a line of progress."""

    asker: TickingAsker
    tick: CountOne

    def ask(self, questions: Sequence[Turns], read: Callable[[str], Opinion]) -> list[Opinion | NoVerdict]:
        """Return what `asker` returns."""
        return self.asker.ask(questions, read, self.tick)


def counted(asker: TickingAsker, progress: Callable[[int, int], object], total: int) -> CountedAsker:
    """Return an asker that tells `progress` how many of `total` questions have ended, with each that does."""
    done = count(1)
    return CountedAsker(asker, lambda: progress(next(done), total))
