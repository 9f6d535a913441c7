"""Keys of a row that say something about its responses or its prompt as a whole; read for every format.

    margin                the judged lead of the best response, any number
    chosen_probability    the chance, 0 to 1, that the first of two responses is the better one; 1 where the
                          row takes that for certain. `chosen_prob`, `p_chosen` and `probability` are read too
    category              a word for reports
    rubric                the items that a response is judged by, see `data/rubrics.py`. Text in this column
                          that is no list is another tool's, and is not read

A row whose value cannot be read is set aside.
"""

from dataclasses import replace

from truing.core.errors import DataError
from truing.core.messages import message
from truing.core.records import Kind, Record, RubricItem
from truing.data.fields import Row, chance, number, present
from truing.data.rows import RowError
from truing.data.rubrics import rubric_of

PROBABILITY = ("chosen_probability", "chosen_prob", "p_chosen", "probability")  # the first one is written
KEYS = ("margin", "category", "rubric", *PROBABILITY)


def with_opinions(record: Record, row: Row) -> Record:
    """Return the record with the values of `KEYS` that its row has. Raises `RowError`."""
    margin, probability = number(row, "margin"), _probability(record, row)
    category, rubric = _category(row), _rubric(row)
    if (margin, probability, category) == (None, None, None) and not rubric:
        return record
    return replace(record, margin=margin, probability=probability, category=category, rubric=rubric)


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


def _rubric(row: Row) -> tuple[RubricItem, ...]:
    """Return the items of a row's rubric, none where it has no list of them."""
    if not isinstance(dict.get(row, "rubric"), list) or not row["rubric"]:  # other columns count as unread
        return ()
    try:
        return rubric_of(row["rubric"])
    except DataError as error:
        raise RowError("bad-rubric", error.message) from error
