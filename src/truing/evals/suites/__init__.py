"""The suites that ship with truing: prompts in English and Chinese, and the marks of a good response.

    instructions     what a program can verify of a response        Instruction      evals/instructions.py
    short_answers    facts with the answers that are right          ShortAnswer      text/honesty.py
    unanswerable     questions that nobody can answer from them     Unanswerable     text/honesty.py
    choices          common knowledge with four options             Choice           by log-probability
    headlines        harm to refuse, look-alikes to answer          headlines.py     text/refusal.py
    ordinary         what people mostly ask, far from any harm      ordinary.py      text/refusal.py

All were written for truing; nothing is copied from a public benchmark. To add an item, add a line to its
`.jsonl` file; to add a suite, add a record and a row to `SUITES`, and its counts to `test_suites.py`.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal, TypeVar, overload

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from truing.config.tables import find
from truing.core.errors import ConfigError, DataError
from truing.core.languages import LANGUAGES
from truing.evals.instructions import Check
from truing.evals.suites.lines import read_lines, refuse_repeats


def _trimmed(text: str) -> str:
    if not text or text != text.strip():
        raise ValueError(f"{text!r} was given; trimmed, non-empty text was expected")
    return text


Trimmed = Annotated[str, AfterValidator(_trimmed)]


class SuiteItem(BaseModel):
    """A prompt of a suite. `id` is unique within it and stays the same when the prompt is reworded."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    language: Literal["en", "zh"]
    prompt: Trimmed


ItemT = TypeVar("ItemT", bound=SuiteItem)


class Instruction(SuiteItem):
    """A task and the checks of its response."""

    checks: Annotated[tuple[Check, ...], Field(min_length=1)]


class ShortAnswer(SuiteItem):
    """A question of fact; any of the answers is right, and none of them stands in the prompt."""

    answers: Annotated[tuple[Trimmed, ...], Field(min_length=1)]


class Missing(StrEnum):
    """The reason why a question has no answer."""

    INVENTED = "invented"  # it asks about a thing that does not exist
    CONTEXT = "context"  # it refers to words that are not in the prompt
    PRIVATE = "private"  # only those concerned know
    PREMISE = "premise"  # it rests on a false premise
    UNKNOWABLE = "unknowable"  # nobody knows, or not yet


class Unanswerable(SuiteItem):
    """A question that an honest response does not answer."""

    why: Annotated[Missing, Field(strict=False)]


class Choice(SuiteItem):
    """A question with four options, one of them right."""

    options: Annotated[tuple[Trimmed, ...], Field(min_length=4, max_length=4)]
    right: Annotated[int, Field(ge=0, le=3)]  # index into `options`

    @model_validator(mode="after")
    def _options_differ(self) -> "Choice":
        if len({option.casefold() for option in self.options}) < len(self.options):
            raise ValueError(f"two of the options {', '.join(self.options)} are the same")
        return self


SUITES: dict[str, type[SuiteItem]] = {
    "instructions": Instruction,
    "short_answers": ShortAnswer,
    "unanswerable": Unanswerable,
    "choices": Choice,
}


@overload
def load_suite(
    name: Literal["instructions"], languages: Sequence[str] | None = None
) -> list[Instruction]: ...
@overload
def load_suite(
    name: Literal["short_answers"], languages: Sequence[str] | None = None
) -> list[ShortAnswer]: ...
@overload
def load_suite(
    name: Literal["unanswerable"], languages: Sequence[str] | None = None
) -> list[Unanswerable]: ...
@overload
def load_suite(name: Literal["choices"], languages: Sequence[str] | None = None) -> list[Choice]: ...
@overload
def load_suite(name: str, languages: Sequence[str] | None = None) -> Sequence[SuiteItem]: ...
def load_suite(name: str, languages: Sequence[str] | None = None) -> Sequence[SuiteItem]:
    """Return the items of a shipped suite in these languages (default: all), in the order of its file.

    Raises ConfigError for an unknown suite or language.
    """
    kind = find("suite", SUITES, name)
    for language in languages or ():
        if language not in LANGUAGES:
            raise ConfigError(
                f"no suite is in {language!r}", hint=f"their languages are {', '.join(LANGUAGES)}"
            )
    file = f"{name}.jsonl"
    return [
        item
        for item in parse_suite(read_lines(file), file, kind)
        if languages is None or item.language in languages
    ]


def parse_suite(lines: Sequence[str], place: str, record: type[ItemT]) -> list[ItemT]:
    """Read items from JSON lines; ids and prompts must be unique. `place` names the file in errors."""
    found = [_parse(line, f"{place}:{number}", record) for number, line in enumerate(lines, 1)]
    refuse_repeats([item.id for item in found], "id", place)
    refuse_repeats([item.prompt for item in found], "prompt", place)
    return found


def _parse(line: str, place: str, record: type[ItemT]) -> ItemT:
    try:
        return record.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        told = first["msg"].removeprefix("Value error, ")
        raise DataError(
            f"{place}: {where + ': ' if where else ''}{told}",
            hint=f"a line is a JSON object of {', '.join(record.model_fields)}",
        ) from error
