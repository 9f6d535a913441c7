"""Columns beside the turns of a row: the chat template is given some, and nothing reads the others."""

from collections.abc import Iterator, Mapping
from typing import Any

from truing.core.messages import message
from truing.core.records import as_json
from truing.data.fields import holds
from truing.data.rows import RowError
from truing.data.turns import decoded, refuse_media, unread_code

GIVEN = ("tools", "documents")  # handed to the template under these names
ARGUMENTS = "chat_template_kwargs"  # its keys are handed over one by one
# Arguments of `apply_chat_template` that are no template's affair.
RESERVED = {
    "conversation", "chat_template", "add_generation_prompt", "continue_final_message", "tokenize", "padding",
    "truncation", "max_length", "return_tensors", "return_dict", "return_assistant_tokens_mask",
    "tokenizer_kwargs",
}  # fmt: skip
# Which tokens of a whole row are learnt, said in a way that nothing here can obey.
UNREADABLE = ("loss_mask", "completion_mask", "assistant_masks")


class Watched(dict):
    """A row that remembers which of its keys were asked for."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        super().__init__(row)
        self.asked: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.asked.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)

    def unread(self) -> Iterator[str]:
        """Yield the keys with a value that nobody asked for."""
        return (key for key, value in self.items() if key not in self.asked and holds(value))


def given_of(row: Mapping[str, Any]) -> str:
    """Return the columns that a row hands to the template, as `Record.given`.

    Raises RowError for a value that cannot be handed over, and for columns that change the row's meaning and
    that nothing reads: pictures, video, sound, masks of tokens.
    """
    refuse_media(row, "")
    for key in UNREADABLE:
        if key in row and holds(row.get(key)):
            raise RowError(unread_code(key), message("the row has `{key}`, which is not read", key=key))
    found: dict[str, Any] = {}
    for key in (*GIVEN, ARGUMENTS):
        if key not in row:
            continue
        value = row.get(key)
        value = decoded(value, key) if isinstance(value, str) else value
        if holds(value):
            found[key] = value
    if not found:
        return ""
    arguments = found.pop(ARGUMENTS, {})
    if not isinstance(arguments, dict) or RESERVED & arguments.keys():
        said = message("`{key}` has to name arguments of the chat template", key=ARGUMENTS)
        raise RowError(unread_code(ARGUMENTS), said)
    return as_json(arguments | found)
