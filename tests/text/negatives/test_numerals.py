from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truing.text.negatives.numerals import (
    read_chinese,
    read_english,
    write_chinese,
    write_digitwise,
    write_english,
)

CHINESE = {
    "三": 3,
    "十": 10,
    "十五": 15,
    "二十": 20,
    "两百": 200,
    "一百零五": 105,
    "一百五": 150,
    "一千二": 1200,
    "一千零二": 1002,
    "三万五": 35_000,
    "三百二十万": 3_200_000,
    "两千亿": 200_000_000_000,
    "一亿三千万": 130_000_000,
    "三万亿": 3_000_000_000_000,
    "二〇二四": 2024,
    "贰佰": 200,
}


@pytest.mark.parametrize(("text", "value"), CHINESE.items())
def test_chinese_numerals_are_read(text: str, value: int):
    assert read_chinese(text) == value


@pytest.mark.parametrize("text", ["", "二三十", "万", "十百", "点五", "三点", "人"])
def test_what_means_no_one_number_is_not_read(text: str):
    assert read_chinese(text) is None


def test_decimals_are_read_and_written():
    assert read_chinese("三点五") == Fraction(7, 2)
    assert write_chinese(Fraction("3.05"), decimals=2) == "三点零五"
    assert write_chinese(Fraction("3.05"), decimals=1) is None


@given(st.integers(0, 10**11))
def test_a_written_chinese_numeral_reads_as_its_number(value: int):
    written = write_chinese(Fraction(value))
    assert written is not None
    if value >= 10:  # a digit alone is read digit by digit, with the same result
        assert read_chinese(written) == value


@pytest.mark.parametrize(
    ("value", "written"),
    [(2000, "两千"), (12, "十二"), (112, "一百一十二"), (20_000, "两万"), (10_010, "一万零一十")],
)
def test_chinese_numerals_are_written_as_people_do(value: int, written: str):
    assert write_chinese(Fraction(value)) == written


def test_years_are_written_digit_by_digit_with_the_zero_of_their_text():
    assert write_digitwise(2025, "二〇二四") == "二〇二五"
    assert write_digitwise(2025, "二零二四") == "二零二五"
    assert write_digitwise(999, "二〇二四") is None


@given(st.integers(0, 99))
def test_english_words_are_read_as_they_are_written(value: int):
    written = write_english(Fraction(value))
    assert written is not None
    assert read_english(written) == value


def test_english_words_keep_a_capital():
    assert write_english(Fraction(40), "Twelve") == "Forty"
    assert write_english(Fraction(100)) is None
    assert read_english("twenty-ten") is None
