"""A note is written in English and read in the language of the page."""

import string

import pytest

from truing.core.messages import message, recognised
from truing.core.words import speaking
from truing.evals.notes import EXPECTED, NOTES
from truing.stats.told import values_text


@pytest.mark.parametrize("template", NOTES)
def test_a_note_of_a_file_is_the_message_it_was(template: str):
    fields = {name: "7" for _, name, _, _ in string.Formatter().parse(template) if name}
    made = message(template, **fields)
    found = recognised(str(made), NOTES)
    assert (found, found.template) == (made, template)  # pyright: ignore[reportAttributeAccessIssue]


def test_a_page_tells_notes_in_its_language():
    note = message(EXPECTED, answer="巴黎 or Paris")
    with speaking("zh"):
        assert values_text({"honesty": 0.0}, note) == "honesty 0 · 应为 巴黎 or Paris"
        assert values_text({"honesty": 0.0}, "a guard's own words") == "honesty 0 · a guard's own words"
    assert values_text({"honesty": None}, note) == "honesty — · expected 巴黎 or Paris"
