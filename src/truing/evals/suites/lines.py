"""Records of the shipped data files: one JSON object a line, checked, and never the same text twice."""

import inspect
import json
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from typing import TypeVar

from truing.core.errors import DataError

RecordT = TypeVar("RecordT")


def read_lines(name: str) -> list[str]:
    """The lines of a file that ships with the package."""
    return resources.files(__package__ or "").joinpath(name).read_text(encoding="utf-8").splitlines()


def parse_lines(lines: Sequence[str], place: str, record: Callable[..., RecordT], noun: str) -> list[RecordT]:
    """One `record` a JSON line, its keys the arguments. DataError names the place, `noun` and the keys."""
    return [_parse(line, f"{place}:{number}", record, noun) for number, line in enumerate(lines, 1)]


def _parse(line: str, place: str, record: Callable[..., RecordT], noun: str) -> RecordT:
    try:
        return record(**json.loads(line))
    except (TypeError, ValueError) as error:  # a missing or extra key is a TypeError
        keys = ", ".join(inspect.signature(record).parameters)
        raise DataError(f"{place}: {error}", hint=f"{noun} is a JSON object of {keys}") from error


def refuse_repeats(texts: Iterable[str], noun: str, place: str) -> None:
    """Raises DataError where two texts differ in case and white space at most."""
    seen: set[str] = set()
    for text in texts:
        folded = " ".join(text.casefold().split())
        if folded in seen:
            raise DataError(
                f"{place}: the {noun} {text!r} is there twice", hint="reword or remove one of them"
            )
        seen.add(folded)
