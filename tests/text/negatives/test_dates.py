import pytest

from truing.text.negatives.dates import find_dates

DATES = {
    "于2024年3月15日发布": {"year": 2024, "month": 3, "day": 15},
    "二〇二四年十二月": {"year": 2024, "month": 12},
    "三月五日": {"month": 3, "day": 5},
    "2023年第三季度": {"year": 2023, "quarter": 3},
    "Q4 results": {"quarter": 4},
    "on March 15, 2024": {"year": 2024, "month": 3, "day": 15},
    "on 15 March 2024": {"year": 2024, "month": 3, "day": 15},
    "Sept 2, 2024": {"year": 2024, "month": 9, "day": 2},
    "by May 2024": {"year": 2024, "month": 5},
    "since 1998": {"year": 1998},
    "the 2013 Fenwick Award": {"year": 2013},
    "2024-03-15": {"year": 2024, "month": 3, "day": 15},
}


@pytest.mark.parametrize(("text", "parts"), DATES.items())
def test_the_parts_of_a_date_are_read(text: str, parts: dict[str, int]):
    assert {figure.dimension: figure.value for figure in find_dates(text)} == parts


@pytest.mark.parametrize(
    "text",
    ["He may come.", "They march on.", "in 2000 cities", "2024-13-15", "13月", "3个月", "2,024 people"],
)
def test_what_is_no_date_is_not_read(text: str):
    assert list(find_dates(text)) == []


def test_choices_are_those_that_the_calendar_has():
    month, day = list(find_dates("April 30"))[:2]
    assert (month.dimension, day.dimension) == ("month", "day")
    assert 2 not in month.choices
    assert day.choices == tuple(range(1, 31))
