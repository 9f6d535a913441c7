"""Repetition by rule; every expected share is counted by hand in the comment beside it."""

import pytest

from truing.evals.degeneration import longest_digit_run, repeated_characters, repeated_words


def test_repeated_words_counts_ngrams_that_came_before():
    # the fund grew | fund grew the | grew the fund | the fund grew | ... : 7 trigrams, 3 of them distinct
    text = "the fund grew, the fund grew, the fund grew"
    assert repeated_words(text, n=3) == pytest.approx(4 / 7)
    assert repeated_words(text, n=1) == pytest.approx(6 / 9)
    # six 4-grams, three distinct
    assert repeated_words(text) == pytest.approx(3 / 6)


def test_case_and_punctuation_do_not_count_and_a_figure_is_one_word():
    assert repeated_words("Net debt. NET, debt!", n=2) == pytest.approx(1 / 3)
    # eur | 1,204.5 | eur | 1,204.6: were figures cut at their separators, "1 204" would come twice
    assert repeated_words("EUR 1,204.5 EUR 1,204.6", n=2) == 0


def test_sound_text_repeats_nothing():
    text = "In 2014, Tarn Rail had revenue of EUR 294.8 million and a net profit of EUR 48.4 million."
    assert repeated_words(text) == 0
    assert longest_digit_run(text) == 4


def test_repeated_characters_leaves_spaces_out():
    assert repeated_characters("ab ab ab", n=2) == pytest.approx(3 / 5)  # ab ba ab ba ab
    assert repeated_characters("ababab", n=2) == repeated_characters("ab ab\nab", n=2)


def test_chinese_is_measured_by_characters():
    text = "资金规模超过两千亿，资金规模超过两千亿，"  # 20 characters: 11 ten-grams, the last is the first
    assert repeated_characters(text) == pytest.approx(1 / 11)
    assert repeated_words(text, n=2) == 0  # two words to a rule that splits at punctuation


def test_longest_digit_run():
    assert longest_digit_run("资金规模超过了两千亿两千零二" + "0" * 26) == 26
    assert longest_digit_run("1,204,500 and 88") == 3
    assert longest_digit_run("１２３４") == 4  # full width
    assert longest_digit_run("no digits") == 0


@pytest.mark.parametrize("text", ["", "   ", "one two three"])
def test_what_is_too_short_repeats_nothing(text: str):
    assert repeated_words(text) == 0
    assert repeated_characters(text, n=20) == 0


def test_a_loop_tends_to_one():
    assert repeated_words("and " * 200) == pytest.approx(196 / 197)
    assert repeated_characters("0" * 200) == pytest.approx(190 / 191)


def test_an_ngram_has_at_least_one_part():
    with pytest.raises(ValueError, match="n is 0"):
        repeated_words("a b", n=0)
