"""Reasons to drop a revision, each a function of the revision and what it revises.

To add a reason, add a member to `Drop`, a function, and a row in `GUARDS`; `reports/constitution.py` has its
words. `NOT_BETTER` is found by a judge in `pairs.py`, where one is given.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from truing.config.constitution import Guard
from truing.synthesis.constitution.by_model import states_verdict
from truing.text.degeneration import Fault, degenerate
from truing.text.refusal_levels import Level, refusal_level, shares_subject
from truing.text.units import words


class Drop(StrEnum):
    """The reasons."""

    EMPTY = "empty"
    EQUAL = "equal"  # to the first answer, or to the one that it revises
    ECHO = "echo"  # the critique again, or its verdict
    DEGENERATE = "degenerate"  # loops, digits, another language
    UNRELATED = "unrelated"  # no word of the prompt or of the answer, and no refusal
    LONGER = "longer"  # without reason
    NOT_BETTER = "not_better"  # by a judge in both orders


@dataclass(frozen=True, slots=True)
class Offer:
    """A revision and what stands around it."""

    prompt: str
    initial: str
    answer: str  # the one that is revised
    critique: str
    revision: str


def folded(text: str) -> str:
    """Return a text in one case and without what does not change its words."""
    return " ".join(words(text)).casefold()


def _empty(offer: Offer, _limits: Guard) -> bool:
    return not offer.revision.strip()


def _equal(offer: Offer, _limits: Guard) -> bool:
    return folded(offer.revision) in (folded(offer.initial), folded(offer.answer))


def _echo(offer: Offer, _limits: Guard) -> bool:
    return folded(offer.revision) == folded(offer.critique) or states_verdict(offer.revision)


def _degenerate(offer: Offer, _limits: Guard) -> bool:
    return _broken(offer.revision, offer.prompt)


def _unrelated(offer: Offer, _limits: Guard) -> bool:
    declines = refusal_level(offer.revision) is not Level.NONE
    return not declines and not shares_subject(f"{offer.prompt}\n{offer.initial}", offer.revision)


def _longer(offer: Offer, limits: Guard) -> bool:
    """Tell whether a revision is too long; an answer that was broken, or a mere refusal, is a reason."""
    most = max(limits.room, limits.longer * len(words(offer.initial)))
    if len(words(offer.revision)) <= most:
        return False
    return not _broken(offer.initial, offer.prompt) and refusal_level(offer.initial) is not Level.FULL


def _broken(text: str, prompt: str) -> bool:
    return any(fault is not Fault.CUT for fault in degenerate(text, prompt=prompt))


GUARDS: dict[Drop, Callable[[Offer, Guard], bool]] = {
    Drop.EMPTY: _empty,
    Drop.EQUAL: _equal,
    Drop.ECHO: _echo,
    Drop.DEGENERATE: _degenerate,
    Drop.UNRELATED: _unrelated,
    Drop.LONGER: _longer,
}


def guarded(offer: Offer, limits: Guard) -> Drop | None:
    """Return the first reason to drop a revision, or None for one to keep."""
    return next((drop for drop, finds in GUARDS.items() if finds(offer, limits)), None)
