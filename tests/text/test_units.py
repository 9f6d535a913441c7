"""Where a text is cut so that it ends with a sentence."""

import pytest

from truing.text.units import first_sentence, whole_sentences


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
