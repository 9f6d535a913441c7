"""The spellings of a mathematical answer become one, and then tokens."""

import pytest

from truing.text.maths_text import MAX_LENGTH, UnreadableError, plain, tokens_of, words_of


def test_wrappers_and_units_are_left_out():
    assert plain(" $\\text{Paris}$. ") == "Paris"
    assert plain("35 apples") == "35"
    with pytest.raises(UnreadableError, match="characters, and at most"):
        plain("1" * (MAX_LENGTH + 1))


def test_words_are_no_formula():
    assert words_of("the cat") == "the cat"
    assert words_of("x") is None and words_of("3 cats") is None


def test_commas_part_thousands_but_not_within_brackets():
    assert [token.text for token in tokens_of("1,234")] == ["1234"]
    assert [token.text for token in tokens_of("(1,234)")] == ["(", "1", ",", "234", ")"]
    assert [token.kind for token in tokens_of("2x_1+\\pi")] == ["number", "name", "mark", "command"]


def test_prose_and_other_signs_are_outside_the_grammar():
    with pytest.raises(UnreadableError, match="is a word in a formula"):
        tokens_of("about 3")
    with pytest.raises(UnreadableError, match="outside the grammar"):
        tokens_of("3 ? 4")
