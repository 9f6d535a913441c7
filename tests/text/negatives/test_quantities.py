from fractions import Fraction

import pytest

from truing.text.negatives.guarded import Spans
from truing.text.negatives.quantities import Quantity, find_quantities


def read(text: str) -> list[Quantity]:
    return find_quantities(text, Spans([]))


SAME = [
    ("a trail of 1,000 m", "a trail of 1 km"),
    ("占50%", "占一半"),
    ("占50％", "占百分之五十"),
    ("共3.5万", "共35,000"),
    ("共３５，０００", "共35000"),
    ("2024年", "二〇二四年"),
    ("two companies", "2 companies"),
    ("三成", "30%"),
    ("2.5 million", "2,500,000"),
    ("two million", "2 million"),
    ("100 °C", "212 °F"),
    ("30分钟", "0.5小时"),
    ("两千亿元", "2000亿元"),
    ("$5 million", "5000000美元"),
    ("3月", "三月"),
    ("第三季度", "Q3 "),
    ("1/4 of it", "25% of it"),
    ("五分之一", "20%"),
    ("24个月", "2年"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_ways_to_say_a_quantity_mean_the_same(one: str, other: str):
    assert [each.meaning_key for each in read(one)] == [each.meaning_key for each in read(other)]
    assert len(read(one)) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5 km", "5 miles"),
        ("5%", "5个百分点"),
        ("5元", "5美元"),
        ("3.5万", "3.5亿"),
        ("2024年", "2024万"),
        ("3月", "3个月"),
    ],
)
def test_what_differs_in_meaning_differs_in_its_key(one: str, other: str):
    assert [each.meaning_key for each in read(one)] != [each.meaning_key for each in read(other)]


@pytest.mark.parametrize(
    "text",
    [
        "统一的标准十分重要，千万不要万一",
        "三明治和四川菜一般好吃",
        "一些人唯一的想法",
        "七八个人，十几家，几十万",
        "model X5 and GPT4",
        "the Two Towers",
        "no one knows",
    ],
)
def test_words_that_hold_a_numeral_are_no_quantities(text: str):
    assert read(text) == []


def test_a_quantity_knows_where_its_parts_stand():
    text = "成交额超过两千亿元"
    (found,) = read(text)
    assert text[found.start : found.end] == "两千"
    assert found.scale_span and text[slice(*found.scale_span)] == "亿"
    assert found.unit_span and text[slice(*found.unit_span)] == "元"
    assert found.canonical == Fraction(2000) * 10**8
    assert found.number(found.canonical) == found.value


def test_parts_of_a_date_are_quantities_with_their_choices():
    text = "于2024年2月29日发布"
    year, month, day = read(text)
    assert [each.dimension for each in (year, month, day)] == ["year", "month", "day"]
    assert 2 not in month.choices and 3 in month.choices  # 29 February is no date in most years
    assert max(day.choices) == 28
