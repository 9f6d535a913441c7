"""The units of a text, by hand."""

import pytest

from truing.text.units import (
    Script,
    bullets,
    first_sentence,
    headings,
    lines,
    numbered,
    paragraphs,
    scripts,
    sentences,
    whole_sentences,
    words,
)


def test_words_are_runs_of_letters_and_single_chinese_characters():
    assert words("It's 3.5 well-known, \u4f60\u597d!") == ["It's", "3.5", "well-known", "\u4f60", "\u597d"]


def test_sentences_end_with_stops_and_not_with_abbreviations():
    assert sentences("Dr. Smith came. He left!\nWhy?") == ["Dr. Smith came.", "He left!", "Why?"]
    assert sentences("\u4f60\u597d\u3002\u518d\u89c1\uff01") == ["\u4f60\u597d\u3002", "\u518d\u89c1\uff01"]


def test_lines_and_paragraphs_are_not_blank():
    assert lines(" a \n\n b") == ["a", "b"]
    assert paragraphs("a\nb\n \nc\r\n\r\nd") == ["a\nb", "c", "d"]


def test_items_are_counted_by_what_they_begin_with():
    assert bullets("- a\n* b\nc - d\n-e") == 2
    assert numbered("1. a\n2) b\n4. c\n3. d") == 3
    assert headings("# a\n## b\n#c\ntext # d") == 2


def test_scripts_are_those_of_words():
    assert scripts("a \u4f60 \u03b1 7") == {Script.LATIN: 1, Script.HAN: 1, Script.OTHER: 1}


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
