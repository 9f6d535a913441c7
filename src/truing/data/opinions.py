"""Keys of a row that say something about its responses or its prompt as a whole; read for every format.

    margin                the judged lead of the best response, any number
    chosen_probability    the chance, 0 to 1, that the first of two responses is the better one; 1 where the
                          row takes that for certain. `chosen_prob`, `p_chosen` and `probability` are read too
    category              a word for reports
    rubric                the items that a response is judged by: [{"text": …, "weight": 2, "must": true}, …];
                          a text alone is an item too. Weights are above 0, by default 1; `must` is by default
                          false. Text in this column that is no list is another tool's, and is not read

A row whose value cannot be read is set aside.
"""

import math
from dataclasses import replace

from truing.core.messages import message
from truing.core.records import Criterion, Kind, Record
from truing.data.fields import Row, chance, number, present
from truing.data.rows import RowError, excerpt

PROBABILITY = ("chosen_probability", "chosen_prob", "p_chosen", "probability")  # the first one is written
KEYS = ("margin", "category", "rubric", *PROBABILITY)


def with_opinions(record: Record, row: Row) -> Record:
    """Return the record with the values of `KEYS` that its row has. Raises `RowError`."""
    margin, probability = number(row, "margin"), _probability(record, row)
    said = {"category": _category(row), "rubric": _rubric(row)}
    return replace(record, margin=margin, probability=probability, **said)


def _category(row: Row) -> str | None:
    value = row.get("category")
    return value if isinstance(value, str) and value else None


def _probability(record: Record, row: Row) -> float | None:
    """Return the chance that the first of two responses is the better one."""
    if record.kind not in (Kind.PREFERENCE, Kind.RANKING):
        return None
    keys, n = "|".join(PROBABILITY), len(record.responses)
    found = chance(row, keys)
    if found is not None and n > 2:
        said = "`{key}` is that of two responses, this row has {n}"
        raise RowError("bad-probability", message(said, key=present(row, keys), n=n))
    return found


def _rubric(row: Row) -> tuple[Criterion, ...]:
    """Return the items of a row's rubric, none where it has no list of them."""
    if not isinstance(dict.get(row, "rubric"), list):  # so that the column counts as unread
        return ()
    return tuple(_criterion(item, f"rubric[{place}]") for place, item in enumerate(row["rubric"]))


def _criterion(item: object, key: str) -> Criterion:
    given = {"text": item} if isinstance(item, str) else item
    if not isinstance(given, dict):
        raise _no_criterion(key, given, "an object with `text`, `weight` and `must`")
    if unknown := given.keys() - {"text", "weight", "must"}:
        said = "`{key}` has `{name}`; an item of a rubric has `text`, `weight` and `must`"
        raise RowError("bad-rubric", message(said, key=key, name=min(map(str, unknown))))
    text, weight, must = given.get("text"), given.get("weight"), given.get("must")
    if not isinstance(text, str) or not text.strip():
        raise _no_criterion(f"{key}.text", text, "the words of an item")
    if weight is None:
        weight = 1.0
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < math.inf:
        raise _no_criterion(f"{key}.weight", weight, "a number above 0")
    if must is not None and not isinstance(must, bool):
        raise _no_criterion(f"{key}.must", must, "true or false")
    return Criterion(text, float(weight), bool(must))


def _no_criterion(key: str, value: object, wanted: str) -> RowError:
    said = message(
        "`{key}` is {value}, expected {wanted}", key=key, value=excerpt(value), wanted=message(wanted)
    )
    return RowError("bad-rubric", said)
