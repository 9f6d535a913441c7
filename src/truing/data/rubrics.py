"""Read the rubric of a row: what a good response meets, as a list of texts or of objects.

    [{"text": "Names scattering", "weight": 2, "must": true}, "At most three sentences"]

A weight is 1 where none is given, and below 0 for something that should not be there. A response that fails
an item with `must` has a score of 0.
"""

import math
from collections.abc import Mapping
from typing import Any

from truing.core.errors import DataError
from truing.core.messages import message
from truing.core.records import RubricItem

KEYS = ("text", "weight", "must")


def rubric_of(value: object) -> tuple[RubricItem, ...]:
    """Return the rubric of a row: criteria as text or as objects. Raises DataError for anything else."""
    if not isinstance(value, list | tuple) or not value:
        raise DataError(message("a rubric is a list of criteria, this is {value}", value=_short(value)))
    rubric = tuple(_item(each, place) for place, each in enumerate(value, 1))
    if not any(item.weight > 0 for item in rubric):
        raise DataError(message("no criterion of the rubric has a weight above 0"))
    return rubric


def _item(value: object, place: int) -> RubricItem:
    found: Mapping[str, Any] = {"text": value} if isinstance(value, str) else _mapping(value, place)
    given = {key: one for key, one in found.items() if one is not None}  # as data frames write what is absent
    text, weight, must = given.get("text"), given.get("weight", 1.0), given.get("must", False)
    unknown = [key for key in given if key not in KEYS]
    if unknown:
        told = "criterion {place} has {key!r}; known: {known}"
        raise DataError(message(told, place=place, key=unknown[0], known=", ".join(KEYS)))
    if not isinstance(text, str) or not text.strip():
        raise DataError(message("criterion {place} has no text", place=place))
    if not _is_weight(weight):
        told = "criterion {place} has the weight {weight}, expected a number other than 0"
        raise DataError(message(told, place=place, weight=_short(weight)))
    if not isinstance(must, bool):
        told = "criterion {place} has must {must}, expected true or false"
        raise DataError(message(told, place=place, must=_short(must)))
    if must and weight < 0:
        raise DataError(message("criterion {place} has must and a weight below 0", place=place))
    return RubricItem(text.strip(), float(weight), must)


def _is_weight(value: object) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value != 0
    )


def _mapping(value: object, place: int) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    told = "criterion {place} is {value}, expected a text or an object"
    raise DataError(message(told, place=place, value=_short(value)))


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."
