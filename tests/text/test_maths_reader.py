"""The grammar of answers: values, their limits, and what has no value."""

import math
from fractions import Fraction

import pytest

from truing.text.maths_reader import MAX_FACTORIAL, Group, read
from truing.text.maths_text import UnreadableError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1/3 + 1/6", Fraction(1, 2)),
        ("2^-2", Fraction(1, 4)),
        ("-2^2", Fraction(-4)),
        ("5!", Fraction(120)),
        ("50%", Fraction(1, 2)),
        ("|1-3|", Fraction(2)),
        ("x = 7", Fraction(7)),
        ("\\frac{3}{4}", Fraction(3, 4)),
    ],
)
def test_values_are_exact(text: str, value: Fraction):
    assert read(text) == value and isinstance(read(text), Fraction)


def test_functions_and_constants_are_reals():
    assert read("\\sin(\\pi)") == pytest.approx(0, abs=1e-12)
    assert read("\\sqrt{2}") == pytest.approx(math.sqrt(2))


def test_lists_keep_their_brackets():
    assert read("(1, 2]") == Group("(]", (Fraction(1), Fraction(2)))
    found = read("1, 2")
    assert isinstance(found, Group) and found.parts == (1, 2)


def test_words_are_words():
    assert read("the cat") == "the cat"


@pytest.mark.parametrize(
    "text", ["1/0", f"{MAX_FACTORIAL + 1}!", "(" * 60 + "1" + ")" * 60, "2^2^2^2^9", "\\ln(0)", "(1"]
)
def test_what_has_no_value_or_too_large_a_one_is_unreadable(text: str):
    with pytest.raises(UnreadableError):
        read(text)
