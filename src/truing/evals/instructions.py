"""Instructions that a program can verify: at most fifty words, three bullets, JSON with keys, no commas.

    {"name": "words", "most": 50}                    a check in a suite: a row of CHECKS and its options
    followed(text, checks).share                     share of the checks that the response meets
    followed(text, checks).strict                    whether it meets all

To add a check, write a function of the text with keyword-only options, annotated with their limits, and add
a row to `CHECKS`. After the idea of IFEval, arXiv:2311.07911; the checks and their prompts are truing's own.

Text before </think> is not read. An empty response meets no check, not even "no commas".
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
    """Check the number of words. Every Chinese character is a word; punctuation does not count."""
    return _within(len(units.words(text)), least, most)


def characters(text: str, *, least: Count = 0, most: Count | None = None) -> bool:
    """Check the number of characters with punctuation, without white space."""
    return _within(len("".join(text.split())), least, most)


def sentences(text: str, *, least: Count = 0, most: Count | None = None) -> bool:
    return _within(len(units.sentences(text)), least, most)


def lines(text: str, *, least: Count = 0, most: Count | None = None) -> bool:
    """Check the number of lines that are not blank."""
    return _within(len(units.lines(text)), least, most)


def paragraphs(text: str, *, least: Count = 0, most: Count | None = None) -> bool:
    """Check the number of paragraphs, which blank lines separate."""
    return _within(len(units.paragraphs(text)), least, most)


def bullets(text: str, *, least: Count = 0, most: Count | None = None) -> bool:
    """Check the number of lines that begin with -, * or •."""
    return _within(units.bullets(text), least, most)


def numbered(text: str, *, least: Count = 0, most: Count | None = None) -> bool:
    """Check the number of lines that are numbered in order from 1."""
    return _within(units.numbered(text), least, most)


def headings(text: str, *, least: Count = 0, most: Count | None = None) -> bool:
    """Check the number of lines that are Markdown headings."""
    return _within(units.headings(text), least, most)


def items(text: str, *, separator: NonEmpty, least: Count = 0, most: Count | None = None) -> bool:
    """Check the number of non-empty items between separators. Full-width separators count as plain ones."""
    parts = folded(text).split(folded(separator))
    return _within(sum(bool(units.words(part)) for part in parts), least, most)


# What it says


def contains(
    text: str, *, words: Texts, need: Literal["all", "any"] = "all", times: Annotated[int, Field(ge=1)] = 1
) -> bool:
    """Check that each (or any) of the words or phrases stands in the text so many times, in any case."""
    found = [_occurrences(text, word) >= times for word in words]
    return all(found) if need == "all" else any(found)


def excludes(text: str, *, words: Texts) -> bool:
    """Check that none of the words or phrases stands in the text, in any case."""
    return not any(_occurrences(text, word) for word in words)


def _occurrences(text: str, word: str) -> int:
    """Count a word in the text; with a Latin letter or digit next to it, it is another word."""
    wanted = folded(word).casefold()
    before = r"(?<![a-z0-9])" if re.match("[a-z0-9]", wanted) else ""
    after = r"(?![a-z0-9])" if re.search("[a-z0-9]$", wanted) else ""
    return len(re.findall(before + re.escape(wanted) + after, folded(text).casefold()))


def starts_with(text: str, *, phrase: NonEmpty) -> bool:
    """Check that the phrase comes first, in any case."""
    return folded(text).casefold().startswith(folded(phrase).casefold())


def ends_with(text: str, *, phrase: NonEmpty) -> bool:
    """Check that the phrase comes last, in any case; a full stop must not follow it."""
    return folded(text).casefold().endswith(folded(phrase).casefold())


def one_of(text: str, *, answers: Texts) -> bool:
    """Check that the response is one of the answers; case and punctuation around it do not count."""
    return normalised(text) in {normalised(answer) for answer in answers}


def matches(text: str, *, pattern: Annotated[str, AfterValidator(rules.compiles)]) -> bool:
    """Check that the regular expression is found within `rules.PATTERN_SECONDS`."""
    return rules.matches(Item((), text), pattern=pattern) == 1.0


# How it is written


def language(text: str, *, language: Literal["zh", "en"]) -> bool:
    """Check that at least one word and the share `IN_LANGUAGE` of all is of the language; skip code."""
    counts = units.scripts(text)
    return sum(counts.values()) > 0 and rules.language(Item((), text), language=language) >= IN_LANGUAGE


def case(text: str, *, case: Literal["upper", "lower"]) -> bool:
    """Check that some letter has a case, and all such letters have this case."""
    return text.isupper() if case == "upper" else text.islower()


def without(text: str, *, characters: NonEmpty) -> bool:
    """Check that none of the characters stands in the text."""
    return not set(text) & set(characters)


def quoted(text: str) -> bool:
    """Check that the whole response stands in quotation marks and has no quotation mark inside."""
    return any(
        text.startswith(mark) and text.endswith(end) and not {mark, end} & set(text[1:-1]) and len(text) > 2
        for mark, end in ('""', "“”", "「」", "『』", "《》")
    )


def is_json(text: str, *, keys: Sequence[str] = (), length: Count | None = None) -> bool:
    """Check for JSON alone, in a ``` fence or none: an object with these keys, or a list of this length."""
    schema: dict[str, Any] = {}
    if keys:
        schema = {"type": "object", "required": list(keys)}
    elif length is not None:
        schema = {"type": "array", "minItems": length, "maxItems": length}
    return matches_schema(spoken(text) or "", schema)


def tags(text: str, *, names: Texts) -> bool:
    """Check for `<a>…</a><b>…</b>` in this order and nothing else, each tag once."""
    return rules.tags(Item((), text), names=names) == 1.0


def acrostic(text: str, *, letters: NonEmpty) -> bool:
    """Check that the first characters of the lines spell the letters, in any case."""
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
    """The checks of a response, in their order: met or not."""

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
    """Run the checks on a response; an empty response, or one that never stops thinking, meets none."""
    _, closed, said = text.rpartition("</think>")
    if not said.strip() or (not closed and "<think>" in text):
        return Followed((False,) * len(checks))
    return Followed(tuple(check(said.strip()) for check in checks))
