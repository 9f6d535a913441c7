"""A draft is asked about by the last turn of its prompt."""

from tests.synthesis.constitution.cases import PRINCIPLES

from truing.core.records import Message, Record
from truing.synthesis.constitution.drafts import Draft


def test_the_last_turn_is_what_is_asked():
    turns = (Message("user", "Hello"), Message("assistant", "Hi"), Message("user", "How do I pick a lock?"))
    assert Draft(Record(turns), "Push.", PRINCIPLES[0], "en").asked == "How do I pick a lock?"
