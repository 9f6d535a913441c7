"""The size of what a chat template computes, known before it is computed; `bounded.py` spends it."""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

from jinja2 import TemplateError

from truing.core.messages import message

ELEMENT = 20  # units, beside one for each character
VIEWS = (type({}.keys()), type({}.values()), type({}.items()))
SIZED = (str, list, tuple, dict, range, *VIEWS)
BACKWARDS = frozenset(("rfind", "rindex", "rsplit", "rpartition"))  # search in time n · m
STRIPS = frozenset(("strip", "lstrip", "rstrip"))  # so do these
PADS = frozenset(("center", "ljust", "rjust", "zfill"))
PRINTED = re.compile(r"%(?:\([^)]*\))?[-+ #0]*(\*|\d+)?(?:\.(\*|\d+))?")


BEYOND = message("the chat template takes more steps or writes more text than a row of this length can need")


class TooMuchError(TemplateError):
    """A template took more than a row's units."""

    def __init__(self) -> None:
        super().__init__(BEYOND)


def size_of(value: Any) -> int:
    """Count the characters of a value's texts, and its elements."""
    size, waiting = 0, [value]
    for one in waiting:  # which grows
        kind = type(one)
        if kind is str:
            size += len(one)
        elif kind is dict:
            waiting += one.keys()
            waiting += one.values()
        elif kind is list or kind is tuple:
            waiting += one
    return size + len(waiting)


def number(value: Any) -> int:
    """Return the size of a number; 0 for anything else."""
    if isinstance(value, str):
        return (int(value) if len(value) < 1000 else 10**9) if value.isdecimal() else 0
    return abs(int(value)) if isinstance(value, int) or (isinstance(value, float) and value == value) else 0


def printed(text: str, values: Any) -> float:
    """Count what `text % values` writes: widths, and values that may stand more than once."""
    conversions = PRINTED.findall(text)
    listed = list(values.values()) if isinstance(values, Mapping) else values
    listed = listed if isinstance(listed, list | tuple) else [listed]
    starred = max(map(number, listed), default=0)
    widths = sum(starred if width == "*" else number(width) for width in chain.from_iterable(conversions))
    longest = max((size_of(one) for one in listed), default=0)
    return widths + longest * len(conversions)


def of_text(text: str, method: str, given: Sequence[Any]) -> float:
    """Count what a method of a text makes or how long it takes, where that is a product."""
    first = given[0] if given else None
    if method == "join" and given:
        return len(text) * len(given[0])
    if method == "replace" and len(given) > 1:
        return text.count(given[0]) * len(given[1])
    if method in STRIPS | BACKWARDS and isinstance(first, str):
        return len(text) * len(first)
    if method in PADS or method == "expandtabs":
        return number(first) * (1 if method in PADS else text.count("\t"))
    return 0


# What a filter makes, or how long it takes, where that is a product; arguments as those of the filter.
PRODUCTS: dict[str, Callable[..., float]] = {
    "batch": lambda value, linecount, fill_with=None: ELEMENT * number(linecount),
    "center": lambda value, width=80: number(width),
    "format": lambda value, *args, **kwargs: printed(str(value), kwargs or args),
    "indent": lambda s, width=4, first=False, blank=False: (
        len(s) * (len(width) if isinstance(width, str) else number(width))
    ),
    "join": lambda value, d="", attribute=None: len(str(d)) * len(value),
    "replace": lambda s, old, new, count=None: str(s).count(str(old)) * len(str(new)),
    "round": lambda value, precision=0, method="common": 0 if number(precision) < 400 else float("inf"),
    "slice": lambda value, slices, fill_with=None: ELEMENT * number(slices),
    "sum": lambda iterable, attribute=None, start=0: (
        len(iterable) ** 2 if isinstance(start, list | tuple) else 0
    ),
    "trim": lambda value, chars=None: len(str(value)) * len(chars or ""),
}
