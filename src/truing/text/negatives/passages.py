"""A true answer as rules read it: its quantities, its clauses, and what must stay as it is."""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from truing.text.negatives.guarded import Spans, guarded
from truing.text.negatives.quantities import Quantity, find_quantities

_CLAUSE_END = re.compile(r"[，。；！？;!?\n（）()]+|[:：](?!\d)|,(?!\d)|\.(?=\s|$)")
_SENTENCE = re.compile(r".*?(?:[。！？]+|[!?]+(?=[\s\"'”’)]|$)|\.(?=\s+[^\sa-z]|\s*$)|\n+|$)", re.S)


@dataclass(frozen=True, slots=True)
class Edit:
    """A stretch of a text, `[start, end)` in characters, and what stands there afterwards."""

    start: int
    end: int
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Alteration:
    """Edits that stand together, such as one number at all of its places, and the rule that proposed them."""

    rule: str
    edits: tuple[Edit, ...]

    def __post_init__(self) -> None:
        assert self.edits and all(edit.old != edit.new for edit in self.edits)


@dataclass(frozen=True, slots=True)
class NumberRange:
    """Bounds of a change of a number: `low` to `high` of its value, and up to `years` for a year."""

    low: float = 0.1
    high: float = 0.5
    years: int = 5


@dataclass(frozen=True)
class Passage:
    """A true answer, the prompt that it answers, and names of other rows that may stand for its own."""

    text: str
    prompt: str
    names: tuple[str, ...]
    kept: Spans
    quantities: tuple[Quantity, ...]
    asked: tuple[Quantity, ...]  # the quantities of the prompt
    clauses: tuple[tuple[int, int], ...]
    questions: Spans

    def clause_span(self, place: int) -> tuple[int, int]:
        """Return start and end of the clause that holds a place."""
        return next(span for span in self.clauses if span[0] <= place < span[1])

    def clause(self, place: int) -> str:
        """Return the clause that holds a place."""
        start, end = self.clause_span(place)
        return self.text[start:end]

    def free(self, start: int, end: int) -> bool:
        """Tell whether a stretch states something and may be changed."""
        return not self.kept.touch(start, end) and not self.questions.touch(start, end)

    def matches(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """Yield the matches of a pattern that may be changed."""
        return (found for found in pattern.finditer(self.text) if found[0] and self.free(*found.span()))


def read_passage(text: str, prompt: str = "", names: Sequence[str] = ()) -> Passage:
    """Read a true answer for the rules."""
    kept = guarded(text)
    questions = [
        found.span() for found in _SENTENCE.finditer(text) if found[0].rstrip().endswith(("?", "？"))
    ]
    return Passage(
        text,
        prompt,
        tuple(names),
        kept,
        tuple(find_quantities(text, kept)),
        tuple(find_quantities(prompt, Spans([]))),
        tuple(pairwise([0, *(found.end() for found in _CLAUSE_END.finditer(text)), len(text) + 1])),
        Spans(questions),
    )


@dataclass(frozen=True, slots=True)
class Draw:
    """Random numbers that depend on a passage, a seed, a rule and a place, and on nothing drawn before."""

    seed: int = 0
    spread: NumberRange = field(default_factory=NumberRange)

    def at(self, passage: Passage, *place: object) -> random.Random:
        key = (self.seed, passage.prompt, passage.text, *place)
        return random.Random("\x00".join(str(part) for part in key))


def edited(text: str, edits: Sequence[Edit]) -> str:
    """Return the text with all edits made; they must not overlap and must quote what stands there."""
    parts: list[str] = []
    at = 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        assert at <= edit.start and text[edit.start : edit.end] == edit.old
        parts += [text[at : edit.start], edit.new]
        at = edit.end
    return "".join([*parts, text[at:]])
