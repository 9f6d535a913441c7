"""Keys of a row that say something about its responses or its prompt as a whole; read for every format.

    margin                the judged lead of the best response, any number
    chosen_probability    the chance, 0 to 1, that the first of two responses is the better one; 1 where the
                          row takes that for certain. `chosen_prob`, `p_chosen` and `probability` are read too
    category              a word for reports

A row whose value cannot be read is set aside.
"""

from dataclasses import replace

from truing.core.messages import message
from truing.core.records import Kind, Record
from truing.data.fields import Row, chance, number, present
from truing.data.rows import RowError

PROBABILITY = ("chosen_probability", "chosen_prob", "p_chosen", "probability")  # the first one is written
KEYS = ("margin", "category", *PROBABILITY)


def with_opinions(record: Record, row: Row) -> Record:
    """Return the record with the values of `KEYS` that its row has. Raises `RowError`."""
    margin, probability = number(row, "margin"), _probability(record, row)
    return replace(record, margin=margin, probability=probability, category=_category(row))


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
