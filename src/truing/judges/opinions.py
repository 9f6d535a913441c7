"""An opinion of a judge, or the reason that there is none; and the interface of whatever is asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from truing.core.records import Turns

Opinion = TypeVar("Opinion")


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


@dataclass(frozen=True)
class CountedAsker:
    """A model that calls `tick` for each answer that it reads, for a line of progress."""

    asker: Asker
    tick: Callable[[], object]

    def ask(self, questions: Sequence[Turns], read: Callable[[str], Opinion]) -> list[Opinion | NoVerdict]:
        """Return what `asker` returns."""

        def counted(text: str) -> Opinion:
            self.tick()
            return read(text)

        return self.asker.ask(questions, counted)
