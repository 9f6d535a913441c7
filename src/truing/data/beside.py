"""Keys beside the turns of a row that belong to the conversation.

People write these keys beside every format, so they are read here for all of them:

    system, system_prompt    the system turn; a row whose turns have another system turn is set aside
    history                  earlier turns: [question, answer] pairs, or messages
    input, context           written below a prompt of text, on new lines; no context twice
    rejected_response        the worse response, in formats that use this key

A row with such a key whose value cannot be read is set aside under a code that holds the key's name.
"""

from dataclasses import replace

from truing.core.messages import message
from truing.core.records import Message, Record, Turns
from truing.data.fields import Row, holds, words
from truing.data.rows import RowError
from truing.data.spelled import are_turns
from truing.data.turns import as_messages, as_text, unread_code

SYSTEM = ("system", "system_prompt")
UNDER = ("input", "context")  # keys of texts below a question
REJECTED = "rejected_response"


def unread(key: str, why: str) -> RowError:
    """Make the refusal of a row for a key that changes its meaning and cannot be read where it stands."""
    return RowError(unread_code(key), message("`{key}` is not read: {why}", key=key, why=message(why)))


def asked(text: str, row: Row, keys: tuple[str, ...] = UNDER) -> str:
    """Return the question followed by the texts that the row puts below it."""
    for key in keys:
        if key not in row or not holds(row.get(key)):
            continue
        more = words(row[key])
        if not isinstance(more, str):
            raise unread(key, "it is no text; write it into the prompt, or rename the column")
        if key != "context" or more.strip() not in text:
            text = f"{text}\n{more}" if text.strip() else more
    return text


def refuse_under(row: Row, keys: tuple[str, ...] = UNDER) -> None:
    """Raise `RowError` for a text to put below a question where the prompt is not a single text."""
    if key := next((key for key in keys if holds(row.get(key))), None):
        raise unread(key, "beside messages its place is unclear; write it into a turn, or rename the column")


def with_beside(record: Record, row: Row) -> Record:
    """The record with the system turn and the earlier turns that its row holds apart from the others."""
    head = tuple(turn for turn in record.prompt if turn.role == "system")
    own = head if record.prompt[: len(head)] == head else ()
    rest = record.prompt[len(own) :]
    history = _history(row)
    if history and not rest:
        raise unread("history", "the row has no prompt that it could stand before")
    if rest[: len(history)] != history:
        rest = (*history, *rest)
    for key in SYSTEM:
        if key in row and holds(row.get(key)):
            own = _with_system(own, row[key], key, prompted=bool(rest))
    prompt = (*own, *rest)
    return record if prompt == record.prompt else replace(record, prompt=prompt)


def _with_system(own: Turns, value: object, key: str, *, prompted: bool) -> Turns:
    if not isinstance(value, str):
        raise unread(key, "it is no text")
    if not prompted:
        raise unread(key, "the row has no prompt that it could stand before")
    if own and all(turn.content.strip() != value.strip() for turn in own):
        raise unread(key, "the row has another system turn")
    return own or (Message("system", value),)


def _history(row: Row) -> Turns:
    """The earlier turns of a row."""
    if "history" not in row or not holds(row.get("history")):
        return ()
    given, turns = row["history"], []
    if are_turns(given):
        return as_messages(given, "history")
    for exchange in given if isinstance(given, list) else [given]:
        if not isinstance(exchange, list) or len(exchange) != 2:
            raise RowError(
                "wrong-type", message("`history` is no list of [question, answer], and no messages")
            )
        turns += [
            Message("user", as_text(exchange[0], "history")),
            Message("assistant", as_text(exchange[1], "history")),
        ]
    return tuple(turns)
