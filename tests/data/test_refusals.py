"""Rows that a chat template cannot write: every code has words on what to do."""

import pytest

from truing.core.errors import DataError
from truing.data.refusals import HINTS, Refusal, RefusedRowError, TurnsError, hint_of


def test_every_code_has_a_hint_and_an_unread_key_one_too():
    assert set(HINTS) == set(Refusal)
    assert len({str(hint_of(code)) for code in Refusal}) == len(Refusal)
    assert hint_of("unread-tools").startswith("leave the key out, or set data.template")


def test_a_refused_row_says_its_place_its_template_and_why():
    with pytest.raises(DataError) as caught:
        raise RefusedRowError("a.jsonl:3", "chat", TurnsError(Refusal.DROPS, "the call is not there"))
    error = caught.value
    assert str(error) == "a.jsonl:3: the chat template cannot write this row: the call is not there"
    assert isinstance(error, RefusedRowError) and error.hint == HINTS[Refusal.DROPS]
    assert (error.place, error.reason, error.words) == (
        "a.jsonl:3",
        "template-drops",
        "the call is not there",
    )
