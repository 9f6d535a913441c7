"""Read single fields of a row: alternative names, numbers, labels, lists. Refusals are `RowError`."""

import math
from functools import cache

from truing.core.messages import message
from truing.data.rows import RowError, excerpt

Row = dict
WANTED = ("true", "1", "1.0", "good", "desirable", "chosen", "yes")
UNWANTED = ("false", "0", "0.0", "-1", "-1.0", "bad", "undesirable", "rejected", "no")
LABELS = dict.fromkeys(WANTED, True) | dict.fromkeys(UNWANTED, False)
SPELLINGS = "true/false, 1/0, 1/-1, yes/no, good/bad, desirable/undesirable, chosen/rejected"


def holds(value: object) -> bool:
    """Tell whether a value is there: not null, NaN (a data frame's null), blank or an empty container."""
    if isinstance(value, str):
        return bool(value.strip())
    return value is not None and value == value and value not in ([], {})


def present(row: Row, need: str) -> str | None:
    """Return the first of the alternatives `a|b` that a row has with a value, else None."""
    for key in _alternatives(need):
        if key in row and row.get(key) is not None:
            return key
    return None


@cache
def _alternatives(need: str) -> list[str]:
    return need.split("|")


def value_of(row: Row, need: str) -> object:
    """Return the value of the first of the alternatives `a|b` that is there, else None."""
    key = present(row, need)
    return None if key is None else row[key]


def as_number(value: object, key: str) -> float:
    """Return a finite number, also from the text of a CSV cell."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            result = float(value)
        except (ValueError, OverflowError):
            result = math.nan
        if math.isfinite(result):
            return result
    raise RowError(
        "bad-number", message("`{key}` is {value}, expected a finite number", key=key, value=excerpt(value))
    )


def number(row: Row, key: str) -> float | None:
    """Return the number under `key`; None where the key is absent, null or blank."""
    value = row.get(key) if key in row else None
    return None if value is None or value == "" else as_number(value, key)


def chance(row: Row, need: str) -> float | None:
    """Return the number from 0 to 1 under the first of the alternatives `a|b` that is there, else None."""
    if (key := present(row, need)) is None or (value := number(row, key)) is None:
        return None
    if not 0 <= value <= 1:
        said = "`{key}` is {value}, expected a probability from 0 to 1"
        raise RowError("bad-probability", message(said, key=key, value=excerpt(row[key])))
    return value


def words(value: object) -> object:
    """Return a number, true or false as its text; any other value unchanged."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def as_label(value: object, key: str = "label") -> bool:
    """Tell whether a response is wanted, written in one of `SPELLINGS`, in any case."""
    given = str(value).strip().lower()
    if not isinstance(value, bool | int | float | str) or given not in LABELS:
        said = "`{key}` is {value}, expected {spellings}"
        raise RowError("bad-label", message(said, key=key, value=excerpt(value), spellings=SPELLINGS))
    return LABELS[given]


def as_list(row: Row, key: str) -> list:
    """Return the list under `key`."""
    value = row[key]
    if not isinstance(value, list):
        raise RowError(
            "wrong-type", message("`{key}` is {name}, expected a list", key=key, name=type(value).__name__)
        )
    return value
