"""Restore rows that went through a data frame, before any format reads them.

    NaN, NaT, infinity      missing; a field that needs a number refuses it by its key
    text that spells turns  the turns; see `data/spelled.py`
    {"role": […], "content": […]}    a struct of lists: the list of structs
    [[{…}, {…}]]            a list too many: the list inside

The text of a response may spell turns, or be the words themselves: a model can be asked to write a
conversation in JSON. The prompt, or both sides of a pair, decide. A prompt that spells turns is never text.
"""

import math

from truing.core.messages import message
from truing.data.opinions import PROBABILITY
from truing.data.rows import RowError
from truing.data.spelled import are_turns, is_turn, means_turns, spelled_list, spelled_turns

NUMBERS = frozenset(
    ["margin", "scores", "score_chosen", "score_rejected", "ranks", "sort", "label", "kto_tag", *PROBABILITY]
)
PROMPTS = ("prompt", "question", "query", "messages", "conversations", "rejected_messages")
SIDES = (("chosen", "rejected"), ("preferred_output", "non_preferred_output"))
RESPONSES = (
    "completion",
    "response",
    "answer",
    "output",
    "rejected_response",
    *(key for two in SIDES for key in two),
)
LISTS = ("responses", "completions", "ranks", "scores", "sort", "history", "rubric")
BLANK = frozenset(
    ["rejected_response", "label", "kto_tag", "score", "scores", "ranks", "sort"]
)  # blank is none
PADDLE = ("src", "tgt", "response")


def settled(row: dict) -> dict:
    """Return the row with its values as they were meant. Raises `RowError` where that is unclear.

    A row of plain texts is returned as it is.
    """
    if all(map(_plain, row.values())):
        return row
    found = {key: value if key in NUMBERS else without_nan(value) for key, value in row.items()}
    found = {key: None if value == "" and key in BLANK else value for key, value in found.items()}
    for key in LISTS:
        found = _with_list(found, key)
    if "src" in found and "tgt" in found:
        for key in PADDLE:
            found = _with_list(found, key)
    found = {key: _unwrapped(value) for key, value in found.items()}
    if isinstance(rubric := found.get("rubric"), dict):
        found["rubric"] = _of_structs(rubric)
    return _with_turns(found)


def _plain(value: object) -> bool:
    """Tell whether a value is null or text that is not blank and spells nothing else."""
    if isinstance(value, str):
        return bool(value) and "{" not in value and not value.lstrip().startswith("[")
    return value is None


def without_nan(value: object) -> object:
    """Return the value with None in place of every NaN and infinity in it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    return value


def _with_list(row: dict, key: str) -> dict:
    """Return the row with the list that the text under `key` spells, where it spells one."""
    value = row.get(key)
    spelled = spelled_list(value) if isinstance(value, str) else None
    return row if spelled is None else {**row, key: spelled}


def _unwrapped(value: object) -> object:
    """Take turns out of an extra list, or out of an object of lists; return any other value as it is."""
    if isinstance(value, list) and len(value) == 1 and are_turns(value[0]):
        return value[0]
    # A turn, or UltraFeedback's `completions`, with one list for each of its fields.
    return (
        _of_structs(value) if isinstance(value, dict) and (is_turn(value) or "response" in value) else value
    )


def _of_structs(value: dict) -> object:
    """Turn an object of lists of one length into a list of objects; return any other object as it is."""
    lists = {key: items for key, items in value.items() if items is not None}
    if (
        not all(isinstance(items, list) for items in lists.values())
        or len(set(map(len, lists.values()))) != 1
    ):
        return value
    return [dict(zip(lists, items, strict=True)) for items in zip(*lists.values(), strict=True)]


def _with_turns(row: dict) -> dict:
    """Return the row with the turns that its texts spell."""
    found = {key: _turns(value, key) if key in PROMPTS else value for key, value in row.items()}
    if means_turns(row.get("instruction")):
        said = message("`instruction` is text that spells messages; call the column `messages` or `prompt`")
        raise RowError("spelled-messages", said)
    meant = {key for sides in SIDES if all(means_turns(row.get(side)) for side in sides) for key in sides}
    if any(is_turn(found.get(key)) or are_turns(found.get(key)) for key in PROMPTS):
        meant.update(RESPONSES)
    if "preferred_output" in row:
        meant.add("input")
    return {key: _turns(value, key) if key in meant else value for key, value in found.items()}


def _turns(value: object, key: str) -> object:
    spelled = spelled_turns(value, key) if isinstance(value, str) else None
    return value if spelled is None else _unwrapped(spelled)
