"""Keys beside the turns of a row that belong to the conversation."""

import pytest

from truing.core.records import Message, Record, reply, user
from truing.data.beside import asked, refuse_under, with_beside
from truing.data.rows import RowError

QUESTION = Record(user("And now?"), (reply("Yes."),))


def roles(record: Record) -> list[str]:
    return [f"{turn.role}: {turn.content}" for turn in record.prompt]


def test_texts_below_a_question_are_written_on_new_lines_and_none_twice():
    assert asked("Translate.", {"input": "cat", "context": "an animal"}) == "Translate.\ncat\nan animal"
    assert asked("See an animal.", {"context": "an animal"}) == "See an animal."
    assert asked("", {"input": 5}) == "5"
    with pytest.raises(RowError, match="`input` is not read") as caught:
        asked("a", {"input": ["b"]})
    assert caught.value.code == "unread-input"


def test_a_text_below_messages_is_refused():
    refuse_under({"input": ""})
    with pytest.raises(RowError, match="beside messages its place is unclear"):
        refuse_under({"context": "c"})


def test_a_system_turn_and_earlier_turns_stand_before_the_prompt():
    row = {"system": "Be brief.", "history": [["Hi", "Hello"]]}
    assert roles(with_beside(QUESTION, row)) == [
        "system: Be brief.",
        "user: Hi",
        "assistant: Hello",
        "user: And now?",
    ]


def test_a_history_that_the_prompt_begins_with_is_not_written_twice():
    whole = Record((*user("Hi"), Message("assistant", "Hello"), *user("And now?")), QUESTION.responses)
    assert with_beside(whole, {"history": [["Hi", "Hello"]]}) == whole


def test_two_system_turns_that_differ_set_the_row_aside():
    own = Record((Message("system", "Be long."), *user("a")), QUESTION.responses)
    assert with_beside(own, {"system": " Be long. "}) == own
    for row, code in (({"system": "Be brief."}, "unread-system"), ({"history": [["a"]]}, "wrong-type")):
        with pytest.raises(RowError) as caught:
            with_beside(own, row)
        assert caught.value.code == code
