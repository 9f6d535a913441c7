"""A turn in pieces, and the search for a piece in a template's text."""

import json

import pytest

from truing.core.records import Message, as_json, user
from truing.data.refusals import Refusal, TurnsError
from truing.data.said import Said, find, require_words, split_thought

CALL = as_json({"tool_calls": [{"id": "x", "function": {"name": "f", "arguments": '{"city": "Paris"}'}}]})


def test_a_turn_is_thoughts_words_and_calls():
    said = Said.of(Message("assistant", "<think>hm</think>Yes.", extras=CALL))
    assert said == Said(("hm",), ("Yes.",), ("f", "Paris"))
    assert Said.of(*user("<think>hm</think>")).words == ("<think>hm</think>",), "a person's tags are words"


def test_words_begin_behind_the_last_thought():
    assert split_thought("<think>a</think>b</think>c") == ("<think>a</think>b</think>", "c")
    assert split_thought("plain") == ("", "plain")


def test_a_piece_is_found_as_json_spells_it():
    piece = 'a "b"\nc'
    text = f"before {json.dumps(piece)} after"
    start, end = find(text, piece) or (0, 0)
    assert json.loads(f'"{text[start:end]}"') == piece
    assert find(text, "absent") is None and find("aa", "a", 1) == (1, 2)


def test_words_come_in_order_and_a_call_is_there():
    turns = [*user("one"), Message("assistant", "two", extras=CALL)]
    require_words("one two f Paris", turns)
    for text, what in (("two one f Paris", "words of turn 2"), ("one two f", "the call of turn 2")):
        with pytest.raises(TurnsError, match=what) as caught:
            require_words(text, turns)
        assert caught.value.code == Refusal.DROPS


def test_a_system_turn_may_stand_anywhere_but_not_in_words_of_another():
    turns = [*user("hi"), Message("system", "hi")]
    require_words("hi and hi", turns)
    require_words("ask\n\nrule", [Message("system", "rule"), *user("ask")])
    with pytest.raises(TurnsError, match=r"words of turn 2 \(system\)"):
        require_words("hi", turns)
