"""Rows that hold responses without an opinion on them: nothing to train on, and the very thing to vote on.

    {"prompt": "…", "responses": ["…", "…"]}

Where a row's order is an opinion they are refused, since the order of these says nothing.
"""

from truing.core.messages import message
from truing.core.records import Record
from truing.data.fields import Row, as_list, present, words
from truing.data.formats import PROMPT, Format, find_format, prompt_only
from truing.data.rows import RowError
from truing.data.turns import as_response


def unranked(row: Row) -> Record:
    """Read responses in no order."""
    given = list(map(words, as_list(row, "responses")))
    if not given:
        raise RowError("no-responses", message("`responses` is empty: expected at least one"))
    responses = (as_response(item, f"responses[{index}]") for index, item in enumerate(given))
    return Record(prompt_only(row).prompt, tuple(responses))


UNRANKED = Format(
    "unranked",
    "responses in no order",
    (PROMPT, "responses"),
    unranked,
    lambda row: not present(row, "ranks|scores"),
)


def find_with_unranked(name: str) -> Format:
    """Return the format of that name, `unranked` among them. Raises `UsageError` for an unknown name."""
    return UNRANKED if name == UNRANKED.name else find_format(name)
