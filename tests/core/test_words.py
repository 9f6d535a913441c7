"""The language that sentences are made in, for a block of work."""

import pytest

from truing.core import pages_zh
from truing.core.languages import LANGUAGES
from truing.core.words import add_words, sentences, speaking, spoken, t, translated


def test_a_block_speaks_its_language_and_gives_the_other_back():
    assert spoken() == "en"
    with pytest.raises(RuntimeError), speaking("zh"):
        assert spoken() == "zh"
        raise RuntimeError
    assert spoken() == "en"


def test_a_known_text_is_translated_whole_and_then_filled():
    text = next(key for key in pages_zh.ZH if "{n}" in key and key.count("{") == 1)
    with speaking("zh"):
        assert t(text, n=7) == pages_zh.ZH[text].format(n=7) != text.format(n=7)
    assert t(text, n=7) == text.format(n=7)


def test_text_of_no_table_stays_english_in_every_language():
    for language in LANGUAGES:
        assert translated("a user's own words", language) == "a user's own words"


def test_a_part_of_the_package_adds_its_words():
    add_words("zh", {"only for this test": "\u53ea\u4f9b\u6d4b\u8bd5"})
    with speaking("zh"):
        assert t("only for this test") == "\u53ea\u4f9b\u6d4b\u8bd5"


def test_no_space_follows_a_chinese_full_stop():
    assert sentences(["One.", "Two."]) == "One. Two."
    assert sentences(["\u4e00\u3002", "\u4e8c\u3002"]) == "\u4e00\u3002\u4e8c\u3002"
