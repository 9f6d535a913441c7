"""Instructions that a program can verify: at most fifty words, three bullets, JSON with keys, no commas.

    {"name": "words", "most": 50}                    a check in a suite: a row of CHECKS and its options
    followed(text, checks).share                     share of the checks that the response meets
    followed(text, checks).strict                    whether it meets all

To add a check, write a function of the text with keyword-only options, annotated with their limits, and add
a row to `CHECKS`. After the idea of IFEval, arXiv:2311.07911; the checks and their prompts are truing's own.

What comes before </think> is not read. A response that says nothing meets no check, not even "no commas".
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from truing.config.fields import Count, NonEmpty
from truing.config.options import keyword_options
from truing.config.tables import bound
from truing.core.errors import ConfigError
from truing.rewards import rules
from truing.rewards.types import Item
from truing.text import units
from truing.text.answers import folded, normalised, spoken
from truing.text.json_schema import matches_schema

IN_LANGUAGE = 0.8  # share of words; the rest is room for names and terms

Texts = Annotated[Sequence[str], Field(min_length=1)]


# How much there is


def _within(count: int, least: int, most: int | None) -> bool:
    return least <= count and (most is None or count <= most)


def words(text: str, *, least: Count = 0, most: Count | None = None) -> bool:
    """Words, of which every Chinese character is one; punctuation does not count."""
    return _within(len(units.words(text)), least, most)


def characters(text: str, *, least: Count = 0, most: Count | None = None) -> bool:
    """Characters with punctuation, without white space."""
    return _within(len("".join(text.split())), least, most)


def sentences(text: str, *, least: Count = 0, most: Count | None = None) -> bool:
    return _within(len(units.sentences(text)), least, most)


def lines(text: str, *, least: Count = 0, most: Count | None = None) -> bool:
    """Lines that are not blank."""
    return _within(len(units.lines(text)), least, most)


def paragraphs(text: str, *, least: Count = 0, most: Count | None = None) -> bool:
    """What blank lines separate."""
    return _within(len(units.paragraphs(text)), least, most)


def bullets(text: str, *, least: Count = 0, most: Count | None = None) -> bool:
    """Lines that begin with -, * or •."""
    return _within(units.bullets(text), least, most)


def numbered(text: str, *, least: Count = 0, most: Count | None = None) -> bool:
    """Lines that are numbered in order from 1."""
    return _within(units.numbered(text), least, most)


def headings(text: str, *, least: Count = 0, most: Count | None = None) -> bool:
    """Lines that are Markdown headings."""
    return _within(units.headings(text), least, most)


def items(text: str, *, separator: NonEmpty, least: Count = 0, most: Count | None = None) -> bool:
    """What a separator separates; empty items are none. A full-width separator counts as the plain one."""
    parts = folded(text).split(folded(separator))
    return _within(sum(bool(units.words(part)) for part in parts), least, most)


# What it says


def contains(
    text: str, *, words: Texts, need: Literal["all", "any"] = "all", times: Annotated[int, Field(ge=1)] = 1
) -> bool:
    """Each (or any) of the words or phrases at least so many times, whatever their case."""
    found = [_occurrences(text, word) >= times for word in words]
    return all(found) if need == "all" else any(found)


def excludes(text: str, *, words: Texts) -> bool:
    """None of the words or phrases, whatever their case."""
    return not any(_occurrences(text, word) for word in words)


def _occurrences(text: str, word: str) -> int:
    """How often a word stands in the text; a Latin letter or digit next to it would make it another word."""
    wanted = folded(word).casefold()
    before = r"(?<![a-z0-9])" if re.match("[a-z0-9]", wanted) else ""
    after = r"(?![a-z0-9])" if re.search("[a-z0-9]$", wanted) else ""
    return len(re.findall(before + re.escape(wanted) + after, folded(text).casefold()))


def starts_with(text: str, *, phrase: NonEmpty) -> bool:
    """The phrase comes first, whatever its case."""
    return folded(text).casefold().startswith(folded(phrase).casefold())


def ends_with(text: str, *, phrase: NonEmpty) -> bool:
    """The phrase comes last, whatever its case; a full stop after it is something after it."""
    return folded(text).casefold().endswith(folded(phrase).casefold())


def one_of(text: str, *, answers: Texts) -> bool:
    """One of the answers and nothing else, but for case and punctuation around it."""
    return normalised(text) in {normalised(answer) for answer in answers}


def matches(text: str, *, pattern: Annotated[str, AfterValidator(rules.compiles)]) -> bool:
    """The regular expression is found; one that takes longer than `rules.PATTERN_SECONDS` is not."""
    return rules.matches(Item((), text), pattern=pattern) == 1.0


# How it is written


def language(text: str, *, language: Literal["zh", "en"]) -> bool:
    """At least `IN_LANGUAGE` of the words are of the language, and there is one; code does not count."""
    counts = units.scripts(text)
    return sum(counts.values()) > 0 and rules.language(Item((), text), language=language) >= IN_LANGUAGE


def case(text: str, *, case: Literal["upper", "lower"]) -> bool:
    """All letters that have a case have this one, and there is one."""
    return text.isupper() if case == "upper" else text.islower()


def without(text: str, *, characters: NonEmpty) -> bool:
    """None of the characters."""
    return not set(text) & set(characters)


def quoted(text: str) -> bool:
    """The whole response stands in quotation marks, of which it has no more inside."""
    return any(
        text.startswith(mark) and text.endswith(end) and not {mark, end} & set(text[1:-1]) and len(text) > 2
        for mark, end in ('""', "“”", "「」", "『』", "《》")
    )


def is_json(text: str, *, keys: Sequence[str] = (), length: Count | None = None) -> bool:
    """JSON and nothing else, in a ``` fence or none: an object with these keys, or a list of this length."""
    schema: dict[str, Any] = {}
    if keys:
        schema = {"type": "object", "required": list(keys)}
    elif length is not None:
        schema = {"type": "array", "minItems": length, "maxItems": length}
    return matches_schema(spoken(text) or "", schema)


def tags(text: str, *, names: Texts) -> bool:
    """`<a>…</a><b>…</b>` in this order and nothing else, each tag once."""
    return rules.tags(Item((), text), names=names) == 1.0


def acrostic(text: str, *, letters: NonEmpty) -> bool:
    """The first characters of the lines spell the letters, whatever their case."""
    firsts = [next((c for c in line if c.isalnum()), "") for line in units.lines(text)]
    return "".join(firsts).casefold() == letters.casefold()


CHECKS: dict[str, Callable[..., bool]] = {
    "words": words,
    "characters": characters,
    "sentences": sentences,
    "lines": lines,
    "paragraphs": paragraphs,
    "bullets": bullets,
    "numbered": numbered,
    "headings": headings,
    "items": items,
    "contains": contains,
    "excludes": excludes,
    "starts_with": starts_with,
    "ends_with": ends_with,
    "one_of": one_of,
    "matches": matches,
    "language": language,
    "case": case,
    "without": without,
    "quoted": quoted,
    "json": is_json,
    "tags": tags,
    "acrostic": acrostic,
}


class Check(BaseModel):
    """A row of CHECKS with its options, checked by the signature of its function when made."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    name: str

    @model_validator(mode="after")
    def _known(self) -> "Check":
        try:
            bound("check", CHECKS, self.name, self.options)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        _refuse_bad_options(self.name, self.options)
        return self

    @property
    def options(self) -> dict[str, Any]:
        return self.model_extra or {}

    def __call__(self, text: str) -> bool:
        return CHECKS[self.name](text, **self.options)


def _refuse_bad_options(name: str, options: dict[str, Any]) -> None:
    takes = keyword_options(CHECKS[name])
    least, most = options.get("least"), options.get("most")
    if "least" in takes and least is None and most is None:
        raise ValueError(f"the check {name!r} needs least or most")
    if least is not None and most is not None and least > most:
        raise ValueError(f"the check {name!r} has least {least} above most {most}")
    if options.get("keys") and options.get("length") is not None:
        raise ValueError(f"the check {name!r} takes keys or length, not both")


@dataclass(frozen=True, slots=True)
class Followed:
    """Which of its checks a response meets, in their order."""

    met: tuple[bool, ...]

    def __post_init__(self) -> None:
        if not self.met:
            raise ValueError("a response without checks cannot follow them")

    @property
    def share(self) -> float:
        return sum(self.met) / len(self.met)

    @property
    def strict(self) -> bool:
        return all(self.met)


def followed(text: str, checks: Sequence[Check]) -> Followed:
    """Which of the checks a response meets; none where it says nothing or never stops thinking."""
    _, closed, said = text.rpartition("</think>")
    if not said.strip() or (not closed and "<think>" in text):
        return Followed((False,) * len(checks))
    return Followed(tuple(check(said.strip()) for check in checks))
