"""Codes of characters: as their standards have them, and read back."""

import base64

from truing.redteam.attacks import surface


def test_codes_are_those_of_the_standard() -> None:
    assert surface.to_base64("Hello, 世界") == base64.b64encode("Hello, 世界".encode()).decode()
    assert surface.to_rot13("Uryyb") == "Hello"
    assert surface.to_leet("Test") == "7357"
    assert surface.to_gaps("abc") == "a\u200bb\u200bc"
    assert surface.to_homoglyphs("pace") != "pace"
    assert [ord(one) for one in surface.to_homoglyphs("ace")] == [0x430, 0x441, 0x435]


def test_answers_in_an_attacks_code_are_read_back() -> None:
    assert surface.from_base64(surface.to_base64("I can't help with that.")) == "I can't help with that."
    assert surface.from_base64("It says AAAAAAAAAAAAAAAAAAAA.") == "It says AAAAAAAAAAAAAAAAAAAA."
    assert surface.from_rot13(surface.to_rot13("It is not for you to say.")) == "It is not for you to say."
    assert surface.from_leet("7h3 c4p174l in 1969") == "the capital in 1969"


def test_text_that_is_no_code_is_left() -> None:
    assert surface.from_homoglyphs("Это другой вопрос") == "Это другой вопрос"
    assert surface.from_leet("4 of 7 rooms") == "4 of 7 rooms"
    assert surface.from_rot13("The answer is in the book.") == "The answer is in the book."
