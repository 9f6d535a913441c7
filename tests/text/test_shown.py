"""Untrusted text made safe to show."""

from truing.text.shown import clipped, language, plain


def test_escapes_and_control_characters_are_gone_and_lines_stay():
    assert plain("a\x1b[31mred\x1b[0m\x00b\r\nc\u2028d") == "aredb\nc\nd"
    assert plain("x\x1b]8;;http://evil\x07link\x1b]8;;\x07") == "xlink"
    assert plain("tab\tstays") == "tab\tstays"


def test_hidden_directions_are_shown_and_halves_of_characters_replaced():
    assert plain("a\u202eb") == "a\u27e8U+202E\u27e9b"
    assert plain("\ud800") == "\ufffd"


def test_a_long_text_is_cut_with_a_count():
    assert clipped("abc", 3) == "abc"
    assert clipped("a" * 1203, 3) == "aaa\n\n[\u2026 1,200 more characters not shown]"


def test_the_language_is_told_by_the_script():
    texts = {
        "ja": "\u3053\u308c\u306f\u6f22\u5b57",
        "ko": "\ud55c\uad6d",
        "zh": "\u6c49\u5b57 and",
        "": "words",
    }
    assert {language(text) for text in texts.values()} == set(texts)
    assert all(language(text) == name for name, text in texts.items())
