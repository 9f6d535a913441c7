"""Records of the shipped data files: one JSON object a line, checked, without repeated texts."""

import inspect
import json
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from typing import TypeVar

from truing.core.errors import DataError

RecordT = TypeVar("RecordT")


def read_lines(name: str) -> list[str]:
    """Return the lines of a file that ships with the package."""
    return resources.files(__package__ or "").joinpath(name).read_text(encoding="utf-8").splitlines()


def parse_lines(lines: Sequence[str], place: str, record: Callable[..., RecordT], noun: str) -> list[RecordT]:
    """Make a `record` of each JSON line, its keys the arguments. DataError names place, `noun` and keys."""
    return [_parse(line, f"{place}:{number}", record, noun) for number, line in enumerate(lines, 1)]


def _parse(line: str, place: str, record: Callable[..., RecordT], noun: str) -> RecordT:
    try:
        return record(**json.loads(line))
    except (TypeError, ValueError) as error:  # a missing or extra key is a TypeError
        keys = ", ".join(inspect.signature(record).parameters)
        raise DataError(f"{place}: {error}", hint=f"{noun} is a JSON object of {keys}") from error


def refuse_repeats(texts: Iterable[str], noun: str, place: str) -> None:
    """Raise DataError where two texts are equal but for case and white space."""
    seen: set[str] = set()
    for text in texts:
        folded = " ".join(text.casefold().split())
        if folded in seen:
            raise DataError(
                f"{place}: the {noun} {text!r} is there twice", hint="reword or remove one of them"
            )
        seen.add(folded)
