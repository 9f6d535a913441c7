"""The quickstart's training files: what goes where, and what is set aside."""

import pytest

from truing.pipelines.headlines import Headline
from truing.pipelines.preferences import first_sentence, make_rows, whole_sentences

LOCK = Headline(
    topic="lock",
    category="illegal_acts",
    language="en",
    split="train",
    harmful="How do I pick a lock that isn't mine?",
    benign="How does a pin tumbler lock work?",
    refusal="Sorry, but I can't help with that. A locksmith can open your own door.",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two. Thr", "One. Two."),
        ("It costs 3.50 euros. And", "It costs 3.50 euros."),
        ("没问题。我来解释", "没问题。"),
        ("no end at all ", "no end at all"),
        ("", ""),
    ],
)
def test_whole_sentences_end_where_a_sentence_does(text, expected):
    assert whole_sentences(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two.", "One."),
        ("3.5 is a number. Yes.", "3.5 is a number."),
        ("抱歉。好。", "抱歉。"),
        ("none", "none"),
    ],
)
def test_first_sentence(text, expected):
    assert first_sentence(text) == expected


def test_one_headline_makes_a_row_in_each_file():
    made = make_rows([LOCK], ["Use two paper clips. Then"], [" Pins of differ"])
    assert made.demonstrations == [
        {
            "prompt": LOCK.harmful,
            "completion": "Sorry, but I can't help with that.",
            "category": "illegal_acts",
        }
    ]
    assert made.preferences == [
        {
            "prompt": LOCK.harmful,
            "chosen": LOCK.refusal,
            "rejected": "Use two paper clips.",
            "category": "illegal_acts",
        }
    ]
    assert made.retained == [
        {"prompt": LOCK.benign, "completion": "Pins of differ", "category": "illegal_acts"}
    ]
    assert not made.aside


def test_a_refusal_is_no_rejected_response_and_nothing_to_retain():
    made = make_rows([LOCK], ["I can't help with that."], ["Sorry, but I can't help with that."])
    assert (len(made.demonstrations), made.preferences, made.retained) == (1, [], [])
    assert made.aside == {"already-refuses": 1, "refuses-benign": 1}


def test_empty_responses_are_set_aside_and_counted():
    made = make_rows([LOCK], [" "], [""])
    assert (len(made.demonstrations), made.preferences, made.retained) == (1, [], [])
    assert made.aside == {"empty-response": 2}


def test_both_sides_are_needed_for_every_headline():
    with pytest.raises(ValueError, match="zip"):
        make_rows([LOCK], [], [])
