"""Refusals of rows that a chat template cannot write whole: a code, words, and what to do."""

from enum import StrEnum

from truing.core.errors import DataError


class Refusal(StrEnum):
    """The codes of rows that are set aside for their turns. `unread-KEY` is a code too."""

    REFUSED = "refused"  # the template raises; its own words follow
    CUTS = "template-cuts"  # a thought that is to be learnt is not in the template's text
    DROPS = "template-drops"  # words, a call or a tool are not in the template's text
    UNCLEAR = "unclear-turns"  # where in the text the assistant speaks cannot be told
    SAME = "same-tokens"  # two responses become the same tokens


_OTHER = "set data.template to alpaca or plain, or mend the tokenizer's chat template"
HINTS = {
    Refusal.REFUSED: "mend such turns (a system turn's words can stand before the first user turn), or set "
    "data.template to alpaca or plain",
    Refusal.CUTS: "leave the thoughts of earlier turns out, or train on single turns",
    Refusal.DROPS: "leave such turns out, or " + _OTHER,
    Refusal.UNCLEAR: _OTHER,
    Refusal.SAME: "look at the row with `truing data show --tokens`",
}


def hint_of(code: str) -> str:
    """Say what to do about rows that were set aside under `code`."""
    return HINTS.get(Refusal(code), "") if code in list(Refusal) else f"leave the key out, or {_OTHER}"


class TurnsError(ValueError):
    """Turns that a template cannot write whole."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


class RefusedRowError(DataError):
    """A row that is set aside because of its turns, with the code, the place and the words for it."""

    def __init__(self, place: str, template: str, error: TurnsError) -> None:
        said = f"the {template} template cannot write this row: {error.words}"
        super().__init__(f"{place}: {said}", hint=hint_of(error.code))
        self.place = place
        self.reason = error.code
        self.words = error.words
