"""Refusals of rows that a chat template cannot write whole: a code, words, and what to do."""

from enum import StrEnum

from truing.core.errors import DataError
from truing.core.messages import Sentence, message


class Refusal(StrEnum):
    """The codes of rows that are set aside for their turns. `unread-KEY` is a code too."""

    REFUSED = "refused"  # the template raises; its own words follow
    CUTS = "template-cuts"  # a thought that is to be learnt is not in the template's text
    DROPS = "template-drops"  # words, a call or a tool are not in the template's text
    UNCLEAR = "unclear-turns"  # where in the text the assistant speaks cannot be told
    SAME = "same-tokens"  # two responses become the same tokens


OTHER_TEMPLATE = message("set data.template to alpaca or plain, or mend the tokenizer's chat template")
HINTS = {
    Refusal.REFUSED: message(
        "mend such turns (a system turn's words can stand before the first user turn), or set data.template"
        " to alpaca or plain"
    ),
    Refusal.CUTS: message("leave the thoughts of earlier turns out, or train on single turns"),
    Refusal.DROPS: message("leave such turns out, or {other}", other=OTHER_TEMPLATE),
    Refusal.UNCLEAR: OTHER_TEMPLATE,
    Refusal.SAME: message("look at the row with `truing data show --tokens`"),
}


def hint_of(code: str) -> Sentence:
    """Say what to do about rows that were set aside under `code`."""
    if code in list(Refusal):
        return HINTS[Refusal(code)]
    return message("leave the key out, or {other}", other=OTHER_TEMPLATE)


class TurnsError(ValueError):
    """Turns that a template cannot write whole."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words

    def __reduce__(self) -> tuple[type["TurnsError"], tuple[str, str]]:
        """Pickle both parts: a row is refused in another process."""
        return TurnsError, (self.code, self.words)


class RefusedRowError(DataError):
    """A row that is set aside because of its turns, with the code, the place and the words for it."""

    def __init__(self, place: str, template: str, error: TurnsError) -> None:
        said = "{place}: the {template} template cannot write this row: {words}"
        parts = {"place": place, "template": template, "words": error.words}
        super().__init__(message(said, **parts), hint=hint_of(error.code))
        self.place = place
        self.template = template
        self.reason = error.code
        self.words = error.words

    def __reduce__(self) -> tuple[type["RefusedRowError"], tuple[str, str, TurnsError]]:
        return RefusedRowError, (self.place, self.template, TurnsError(self.reason, self.words))
