"""Values and words of templates."""

from markupsafe import Markup

from truing.core.words import speaking
from truing.text.markup import shown, words


def test_a_value_is_shown_without_escapes_and_markup_stays():
    assert shown("a\x1b[31mb\u202e") == "ab⟨U+202E⟩"
    assert shown(Markup("<b>")) == Markup("<b>") and shown(3) == 3


def test_words_are_markup_and_what_fills_them_is_text():
    assert words("{hits} of {of}", hits="<b>", of=2) == "&lt;b&gt; of 2"
    with speaking("zh"):
        assert words("{hits} of {of}", hits=1, of=2) == "2 条中 1 条"
