"""The type of an attack, and of the prompt that it is built around.

    step(seed, ())                       the first message
    step(seed, (user, assistant))        the next one, or None at the end
    step(seed, (user, assistant), True)  the same, where the last answer was cut off

An attack knows nothing about harm: built around a benign question it is its own control. It stays at the
level of a headline, for it only dresses the prompt that it is given.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from truing.core.languages import Language
from truing.core.records import Turns


class AttackType(StrEnum):
    """The kinds of attacks."""

    PLAIN = "plain"  # the prompt itself
    SURFACE = "surface"  # other characters
    LANGUAGE = "language"  # an answer in another language
    FRAME = "frame"  # another situation
    STRUCTURE = "structure"  # another form of question or answer
    TURNS = "turns"  # several turns


@dataclass(frozen=True, slots=True)
class Seed:
    """A prompt in one line, its language, and the same prompt in the other language where that exists."""

    text: str
    language: Language
    twin: str | None = None


class AttackStep(Protocol):
    """A step of an attack. `cut` says that the last answer ended at the limit of tokens."""

    def __call__(self, seed: Seed, transcript: Turns, cut: bool = False, /) -> str | None: ...


Undo = Callable[[str], str]  # reads a response that is written as the attack writes


def as_it_is(text: str) -> str:
    """Return a response unchanged, for attacks whose responses are plain text."""
    return text


@dataclass(frozen=True, slots=True)
class Attack:
    """An attack.

    `decoded` says in one line how a model gets back to the prompt. `undo` reads a response that uses the
    attack's own code, and returns any other response unchanged. `swaps` says that the answer is wanted in
    the other language.
    """

    type: AttackType
    step: AttackStep
    decoded: str
    garak: str | None = None  # the probe of garak that is nearest
    pyrit: str | None = None  # the converter or attack of PyRIT that is nearest
    undo: Undo = as_it_is
    languages: tuple[Language, ...] = ("en", "zh")
    turns: int = 1  # most turns of the user
    swaps: bool = False


def single(write: Callable[[Seed], str]) -> AttackStep:
    """Make a step of a function that writes the one message of an attack."""

    def step(seed: Seed, transcript: Turns, cut: bool = False) -> str | None:
        return None if transcript else write(seed)

    return step


def framed(en: str, zh: str) -> AttackStep:
    """Make a step of one message from two templates, in which `{prompt}` stands for the prompt."""
    return single(lambda seed: (zh if seed.language == "zh" else en).replace("{prompt}", seed.text))
