"""Turns as rows write them: roles, flags, calls, and where a conversation is cut."""

import pytest

from truing.core.records import Message, user
from truing.data.rows import RowError
from truing.data.turns import (
    as_messages,
    as_prompt,
    as_response,
    as_text,
    split_first,
    split_last,
    split_pair,
    transcript,
)


def chat(*contents: str) -> tuple[Message, ...]:
    return tuple(Message("assistant" if n % 2 else "user", text) for n, text in enumerate(contents))


def code_of(call, *args: object) -> str:
    with pytest.raises(RowError) as caught:
        call(*args)
    return caught.value.code


def test_roles_have_many_names_and_blank_system_turns_go():
    given = [
        {"role": "system", "content": " "},
        {"from": "human", "value": "a"},
        {"from": "gpt", "value": "b"},
    ]
    assert as_messages(given, "m") == chat("a", "b")
    assert as_text([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "m") == "ab"


def test_flags_say_what_is_learnt():
    def learnt(**flags: object) -> bool:
        return as_messages({"role": "assistant", "content": "a", **flags}, "m")[0].scored

    assert learnt() and learnt(weight=1) and not learnt(weight=0)
    assert code_of(lambda: learnt(weight=0.5)) == "unread-weight"


def test_a_call_without_words_is_a_turn():
    call = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"function": {"name": "f", "arguments": {}}}],
    }
    (turn,) = as_messages(call, "m")
    assert turn.content == "" and turn.more["tool_calls"] and turn.as_dict()["content"] is None


def test_what_is_no_turn_has_a_code():
    assert code_of(as_messages, "a", "m") == "wrong-type"
    assert code_of(as_messages, [{"role": "robot", "content": "a"}], "m") == "unknown-role"
    assert code_of(as_messages, [{"role": "user", "content": "a", "images": ["x"]}], "m") == "not-text"
    assert code_of(as_prompt, [{"role": "assistant", "content": "a"}], "m") == "role-order"
    assert code_of(as_prompt, " ", "m") == "empty-prompt"
    assert code_of(as_response, "", "m") == "empty-response"
    assert code_of(as_response, [{"role": "user", "content": "a"}], "m") == "missing-response"


def test_a_conversation_is_cut_before_its_first_or_its_last_answer():
    turns = chat("a", "b", "c", "d")
    assert split_first(turns, "m")[0] == turns[:1] and split_first(turns, "m")[1].turns == turns[1:]
    assert split_last(turns, "m")[0] == turns[:3]
    greeted = (Message("assistant", "hello"), *turns)
    assert split_first(greeted, "m")[0] == greeted[:2], "a greeting belongs to the prompt"


def test_a_pair_is_cut_where_it_parts():
    prompt, (chosen, rejected) = split_pair(chat("a", "b"), chat("a", "c"))
    assert (prompt, chosen.text, rejected.text) == (user("a"), "b", "c")
    assert code_of(split_pair, chat("a", "b"), chat("a", "b")) == "identical-pair"
    assert code_of(split_pair, chat("a", "b"), chat("x", "b")) == "different-prompts"


def test_a_transcript_becomes_turns():
    assert transcript("\n\nHuman: a \n\nAssistant: b", "m") == chat("a", "b")
    assert as_prompt("\n\nHuman: a\n\nAssistant:", "m") == user("a")
    assert (
        code_of(transcript, "a", "m") == code_of(transcript, "Human: a\n\nHuman:", "m") == "broken-transcript"
    )
