"""Records of the shipped data files: one JSON object a line, checked, and never the same text twice."""

from collections.abc import Iterable
from importlib import resources

from truing.core.errors import DataError


def read_lines(name: str) -> list[str]:
    """The lines of a file that ships with the package."""
    return resources.files(__package__ or "").joinpath(name).read_text(encoding="utf-8").splitlines()


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
