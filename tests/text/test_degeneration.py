"""Broken responses by rule; every expected share is counted by hand in the comment beside it."""

import json
from collections import Counter
from pathlib import Path

import pytest

from truing.text.degeneration import (
    TAIL,
    Fault,
    degenerate,
    foreign_share,
    longest_digit_run,
    repeated_characters,
    repeated_words,
)


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


# Language


def test_foreign_share_counts_words_of_scripts_that_the_prompt_has_not():
    # 你 好 world: one Latin word of three
    assert foreign_share("今天天气怎么样", "你好 world") == pytest.approx(1 / 3)
    assert foreign_share("How are you?", "我很好") == 1
    assert foreign_share("How are you?", "Отлично, thanks") == pytest.approx(1 / 2)
    assert foreign_share("How are you?", "Fine, thanks.") == 0


def test_both_scripts_are_at_home_where_the_prompt_has_both():
    assert foreign_share("解释一下 list comprehension", "A list comprehension builds a list.") == 0


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("把这句话翻译一下：我很好", "I am fine."),
        ("用英文介绍你自己", "I am a nurse."),
        ("Say hello in Chinese.", "你好"),
        ("", "anything"),
        ("多少？", "42"),
        ("写一个循环", "```python\nfor each in things: print(each)\n```"),
    ],
)
def test_what_cannot_be_compared_has_no_share(prompt: str, text: str):
    assert foreign_share(prompt, text) is None
    assert degenerate(text, prompt=prompt) == ()


# Faults


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", (Fault.EMPTY,)),
        (" \n", (Fault.EMPTY,)),
        ("the fund grew, " * 40, (Fault.WORDS, Fault.CHARACTERS)),
        ("资金规模超过两千亿" * 40, (Fault.CHARACTERS,)),  # one word, to a rule that splits at punctuation
        ("A fund of EUR 2" + "0" * 19, (Fault.DIGITS,)),
        ("The fund grew in 2014.", ()),
        ("Sure.", ()),
    ],
)
def test_degenerate_names_what_is_broken(text: str, faults: tuple[Fault, ...]):
    assert degenerate(text) == faults


def test_a_loop_at_the_end_of_a_long_response_is_found():
    sound = " ".join(f"Fund {i} had revenue of EUR {i * 37} million in year {i * 3}." for i in range(120))
    assert degenerate(sound) == ()
    looping = sound + " and so on" * (TAIL // 10)
    assert repeated_words(looping) < 0.2
    assert degenerate(looping) == (Fault.WORDS, Fault.CHARACTERS)


def test_what_only_the_caller_knows():
    assert degenerate("The fund grew", cut=True) == (Fault.CUT,)
    assert degenerate("The fund grew.", prompt="基金怎么样了？") == (Fault.LANGUAGE,)
    assert degenerate("The fund grew.") == ()


def test_good_responses_are_sound():
    """1,205 rows that four public sets call good: one repeats itself, and six answer Chinese in English."""
    folder = Path(__file__).parents[3] / "shared/data"
    files = ["alpaca_zh_demo.json", "dpo_zh_demo.json", "dpo_en_demo.json", "kto_en_demo.json"]
    if not all((folder / name).exists() for name in files):
        pytest.skip(f"the public rows are not here: {folder}")
    pairs = [pair for name in files for pair in good_pairs(json.loads((folder / name).read_text()))]
    assert len(pairs) == 1205
    found = Counter(fault for prompt, text in pairs for fault in degenerate(text, prompt=prompt))
    assert found == {Fault.WORDS: 1, Fault.LANGUAGE: 6}


def good_pairs(rows: list[dict]):
    """Last prompt and response of the rows that are not labelled bad."""
    for row in rows:
        if "conversations" in row:
            yield row["conversations"][-1]["value"], row["chosen"]["value"]
        elif "instruction" in row:
            yield f"{row['instruction']}\n{row['input']}", row["output"]
        elif row["label"]:
            yield row["messages"][-2]["content"], row["messages"][-1]["content"]
