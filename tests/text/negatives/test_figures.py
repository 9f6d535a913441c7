import re

import pytest

from truing.text.negatives.figures import dates, numbers, numerals, percentages, units, years
from truing.text.negatives.passages import Alteration, Draw, NumberRange, edited, read_passage
from truing.text.negatives.table import FalsityRule


def changed(
    rule: FalsityRule, text: str, prompt: str = "", seed: int = 0, spread: NumberRange | None = None
) -> list[str]:
    """The text after each change that a rule proposes."""
    passage = read_passage(text, prompt)
    draw = Draw(seed, spread or NumberRange())
    return [edited(text, change.edits) for change in rule(passage, draw)]


# What comes out must match the pattern, for each of five seeds.
TABLE: list[tuple[FalsityRule, str, str]] = [
    (numbers, "The fund holds 35,000 shares.", r"The fund holds \d\d,\d00 shares\."),
    (numbers, "It is 3.5 km away.", r"It is \d\.\d km away\."),
    (numbers, "气温为24°C。", r"气温为\d\d°C。"),
    (numbers, "员工１，２００名。", r"员工(１，)?[０-９]００名。"),
    (percentages, "Margins rose to 12.5% in May.", r"Margins rose to \d{1,2}\.\d% in May\."),
    (percentages, "占全部的百分之二十。", r"占全部的百分之[一二三]?十[一二三四五六七八九]?。"),
    (percentages, "利润上涨了三成。", r"利润上涨了[二四]成。"),
    (percentages, "It grew 3 percentage points.", r"It grew [24] percentage points\."),
    (years, "公司成立于2021年。", r"公司成立于20[12]\d年。"),
    (years, "公司成立于二〇二一年。", r"公司成立于二〇[一二][一二三四五六七八九]年。"),
    (years, "It was founded in 1998.", r"It was founded in (199|200)\d\."),
    (years, "本报告期为2024-03-15。", r"本报告期为20[12]\d-03-15。"),
    (dates, "于2024年3月15日到期。", r"于2024年(\d{1,2}月15|3月\d{1,2})日到期。"),
    (dates, "Shares split on March 15, 2024.", r"Shares split on ([A-Z][a-z]+ 15|March \d+), 2024\."),
    (dates, "第三季度营收创新高。", r"第[一二四]季度营收创新高。"),
    (dates, "Results for Q3 are out.", r"Results for Q[124] are out\."),
    (dates, "Due on 2024-03-15.", r"Due on 2024-(\d\d-15|03-\d\d)\."),
    (units, "全长12公里。", r"全长12(英里|米|英尺|英寸|码|厘米)。"),
    (units, "It weighs 5 kilograms.", r"It weighs 5 (grams|pounds|tonnes|ounces)\."),
    (units, "规模为3.5万元。", r"规模为3\.5(亿元|万[美欧港日]元|万英镑)。"),
    (units, "Sales were $3 million.", r"Sales were ([€£¥]3 million|HK\$3 million|\$3 (thousand|billion))\."),
    (units, "Wait for 1 hour.", r"Wait for 1 (minute|day|week|month|second)\."),
    (numerals, "规模超过两千亿元。", r"规模超过[一二两三]千[一二三四五六七八九]?百?亿元。"),
    (numerals, "用户达3.5万。", r"用户达[1-5]\.\d万。"),
    (
        numerals,
        "The board has twelve members.",
        r"The board has (seven|eight|nine|ten|eleven|[a-z]+teen) members\.",
    ),
    (numerals, "共有十二家公司。", r"共有(十?[一二三四五六七八九十])家公司。"),
]


@pytest.mark.parametrize(
    ("rule", "text", "expected"), TABLE, ids=lambda each: getattr(each, "__name__", None)
)
def test_a_rule_writes_what_may_come_out(rule: FalsityRule, text: str, expected: str):
    for seed in range(5):
        results = changed(rule, text, seed=seed)
        assert results
        for result in results:
            assert re.fullmatch(expected, result), result
            assert result != text


LEFT_ALONE: list[tuple[FalsityRule, str]] = [
    (percentages, "其中50%，即一半，来自海外。"),  # a half cannot say 30 %
    (numbers, "1. Open it.\n2. Close it."),
    (numbers, "See step 3 and Figure 2."),
    (numbers, "There is 1 reason."),  # another number would need "reasons"
    (numbers, "Is it 500 km away?"),
    (numbers, "Dig it 200 feet (60 m) from water."),  # the conversion is rounded
    (percentages, "The share is 0%."),
    (dates, "In Q1, Q2, Q3 and Q4 it held."),  # every other quarter is stated
    (units, "It covers 0 km."),  # 0 m is the same
    (years, "In 2000 cities it works."),
]


@pytest.mark.parametrize(("rule", "text"), LEFT_ALONE, ids=lambda each: getattr(each, "__name__", None))
def test_what_cannot_be_made_false_is_left_alone(rule: FalsityRule, text: str):
    assert changed(rule, text) == []


@pytest.mark.parametrize("seed", range(8))
def test_one_number_in_two_writings_changes_to_one_number(seed: int):
    (result,) = changed(numerals, "总额为3.5万元，即35,000元。", seed=seed)
    found = re.fullmatch(r"总额为(\d\.\d)万元，即([\d,]+)元。", result)
    assert found and round(float(found[1]) * 10_000) == int(found[2].replace(",", ""))


def test_one_quantity_in_two_units_changes_to_one_quantity():
    (result,) = changed(numbers, "Water boils at 100 °C (212 °F).")
    found = re.fullmatch(r"Water boils at (\d+) °C \((\d+) °F\)\.", result)
    assert found and int(found[1]) * 9 / 5 + 32 == int(found[2])


@pytest.mark.parametrize(("low", "high"), [(0.05, 0.1), (0.2, 0.3), (0.5, 0.9)])
def test_the_change_of_a_number_stays_in_its_range(low: float, high: float):
    for seed in range(20):
        (result,) = changed(numbers, "It sold 3,217 units.", seed=seed, spread=NumberRange(low, high))
        value = int(re.sub(r"\D", "", result))
        assert low <= abs(value / 3217 - 1) <= high


def test_no_change_in_a_range_without_numbers_is_proposed():
    assert changed(numbers, "It sold 3 units.", spread=NumberRange(0.05, 0.1)) == []


def test_a_new_number_is_none_that_the_row_states():
    """With 2 stated beside 3, the neighbour 4 is left."""
    for seed in range(20):
        results = changed(numbers, "It has 3 doors.", prompt="Has it 2 doors or 3?", seed=seed)
        assert results == ["It has 4 doors."]


def test_a_share_does_not_pass_the_whole():
    for seed in range(20):
        (result,) = changed(percentages, "约占95%。", seed=seed)
        assert int(result[2:-2]) <= 100


def test_years_move_by_no_more_than_asked():
    found = {
        changed(years, "成立于2021年。", seed=seed, spread=NumberRange(years=1))[0] for seed in range(20)
    }
    assert found == {"成立于2020年。", "成立于2022年。"}


def test_an_article_before_a_number_still_fits():
    for seed in range(20):
        for result in changed(percentages, "It fell by an 8% margin.", seed=seed):
            assert re.search(r"an (8|11%|18%)", result)


def test_a_change_names_its_rule_and_quotes_its_text():
    passage = read_passage("It sold 3,217 units.")
    (change,) = numbers(passage, Draw())
    assert isinstance(change, Alteration) and change.rule == "numbers"
    assert change.edits[0].old == "3,217"
