"""Records: what kind of training a row serves, and what is no record."""

import json

import pytest

from truing.core.records import Kind, Message, Record, Response, as_json, reply, user


def test_the_kind_follows_from_the_responses():
    kinds = [
        (Record(user("a")), Kind.PROMPT),
        (Record(user("a"), (reply("b"),)), Kind.DEMONSTRATION),
        (Record(user("a"), (reply("b", label=False),)), Kind.UNPAIRED),
        (Record(user("a"), (reply("b"), reply("c"))), Kind.PREFERENCE),
        (Record(user("a"), (reply("b"), reply("c"), reply("d"))), Kind.RANKING),
    ]
    assert [record.kind for record, _ in kinds] == [kind for _, kind in kinds]
    assert (kinds[-1][0].chosen.text, kinds[-1][0].rejected.text) == ("b", "d")


def test_an_unknown_role_and_no_text_are_refused():
    with pytest.raises(ValueError, match="role 'bot' is unknown"):
        Message("bot", "hi")
    with pytest.raises(ValueError, match="user turn is int, not text"):
        Message("user", 3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="starts with an assistant turn"):
        Response(user("hi"))
    with pytest.raises(ValueError, match="needs a prompt or a response"):
        Record(())


def test_several_assistant_turns_are_one_text():
    turns = (Message("assistant", "one"), Message("tool", "2"), Message("assistant", "three"))
    assert Response(turns).text == "one\n\nthree"


def test_what_stands_beside_the_words_comes_back():
    turn = Message("assistant", "", extras=as_json({"tool_calls": [1]}), unread=as_json({"id": "x"}))
    assert turn.more == {"tool_calls": [1]}
    assert turn.as_dict() == {"role": "assistant", "content": "", "tool_calls": [1], "id": "x"}
    assert turn == Message("assistant", "", extras=as_json({"tool_calls": [1]})), (
        "unread keys are no difference"
    )
    assert as_json({}) == "" and json.loads(as_json({"a": "\u00e9"})) == {"a": "\u00e9"}


def test_rows_of_two_files_of_one_name_differ():
    one, two = (Record(user("a"), place="a.jsonl:1", source=k, number=1) for k in (0, 1))
    assert one.id != two.id and one == two
