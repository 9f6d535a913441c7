"""Years, quarters, months and days of a text, in both languages.

2024年3月15日   二〇二四年三月   第三季度   Q3   March 15, 2024   15 March 2024   in 2024   2024-03-15
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from truing.text.negatives.numerals import read_chinese

MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
SHORT = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_YEAR = r"(?:1[0-9]|20)\d\d"
_HAN = "〇零○一二三四五六七八九十"
_NAMED = "|".join([*MONTHS, "Sept", *SHORT])
_ORDINAL = r"(?:st|nd|rd|th)"
_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        # Each group is named after a dimension of a figure.
        rf"(?<!\d)(?P<year>{_YEAR})(?P<sep>[-/.])(?P<month>\d\d)(?P=sep)(?P<day>\d\d)(?!\d)",
        rf"(?<![\d.])(?P<year>{_YEAR}|[〇零○一二三四五六七八九]{{4}})\s?年(?![代级])"
        rf"(?:\s?(?P<month>\d{{1,2}}|[一二三四五六七八九十]{{1,2}})\s?月份?(?:\s?(?P<day>\d{{1,2}}|[{_HAN}]{{1,3}})\s?[日号])?"
        r"|(?:第)?(?P<quarter>[一二三四1-4])季度)?",
        rf"(?<![\d.{_HAN}])(?P<month>\d{{1,2}}|[一二三四五六七八九十]{{1,2}})月份?(?P<day>\d{{1,2}}|[{_HAN}]{{1,3}})[日号]",
        r"(?<![\d.〇零一二三四五六七八九十])(?P<month>\d{1,2}|[一二三四五六七八九十]{1,2})月份?(?![球饼])",
        r"第?(?P<quarter>[一二三四1-4])季度",
        r"(?<![A-Za-z])Q(?P<quarter>[1-4])(?!\w)",
        rf"(?<![A-Za-z])(?P<month>{_NAMED})\.?\s(?P<day>\d{{1,2}})(?:{_ORDINAL})?(?!\d|\.\d|[%:])(?:,?\s(?P<year>{_YEAR})(?![\d,.]\d))?",
        rf"(?<![\d.,])(?P<day>\d{{1,2}})(?:{_ORDINAL})?\s(?:of\s)?(?P<month>{_NAMED})(?![a-z])(?:,?\s(?P<year>{_YEAR})(?!\d))?",
        rf"(?<![A-Za-z])(?P<month>{_NAMED}),?\s(?P<year>{_YEAR})(?!\d)",
        rf"(?<![A-Za-z])(?P<month>{'|'.join(m for m in MONTHS if m not in ('May', 'March'))})(?![A-Za-z])",
        r"(?:(?<![A-Za-z])(?:[Ii]n|[Bb]y|[Ss]ince|[Uu]ntil|[Ff]rom|[Oo]f|[Dd]uring|[Yy]ear|FY|[Ee]arly|[Ll]ate|mid|[Bb]efore|[Aa]fter|[Tt]hrough"
        rf"|[Tt]o|[Ff]or|and|over|than|with|versus|vs\.?|election|[Ww]inter|[Ss]ummer|[Ss]pring|[Aa]utumn|[Ff]all)\s|FY\s?|\()(?P<year>{_YEAR})(?=\W|$)(?![,.]\d|[%‰°/:]|\s?(?:万|亿|[a-z]+s\b|million|billion|percent|km|kg))",
        r"(?<![A-Za-z0-9_.,$€£¥+\-/])(?P<year>(?:19|20)\d\d)(?=\s[A-Z][a-z])",
        r"(?<![A-Za-z0-9_.,$€£¥+\-/])(?P<year>(?:19|20)\d\d)(?=[,;.)!]?(?:\s|$))(?!\s?[A-Za-z%‰°万亿个家名人元])",
    )
)


@dataclass(frozen=True, slots=True)
class DateFigure:
    """One number of a date and the values that may stand in its place; a year has no list of them."""

    start: int
    end: int
    value: int
    dimension: str
    form: str
    choices: tuple[int, ...] = ()


def find_dates(text: str) -> Iterator[DateFigure]:
    """Yield the numbers of dates; one that another pattern has read already may come again."""
    for pattern in _PATTERNS:
        for match in pattern.finditer(text):
            yield from _figures(match)


def _figures(match: re.Match[str]) -> Iterator[DateFigure]:
    groups = {name: text for name, text in match.groupdict().items() if text and name != "sep"}
    values = {name: _value(text) for name, text in groups.items()}
    month, day = values.get("month"), values.get("day")
    if None in values.values() or not _sound(month, day):
        return
    for name, text in groups.items():
        value = values[name]
        if value is not None:
            form = "two digits" if "sep" in match.groupdict() and name != "year" else _form(text)
            if match.string[match.end(name) :].startswith(("st", "nd", "rd", "th")):
                form = "fixed"  # 3rd would need another ending
            yield DateFigure(*match.span(name), value, name, form, _choices(name, month, day))


def _value(text: str) -> int | None:
    if text.isdigit():
        return int(text)
    if text.isascii():
        return next(place for place, name in enumerate(SHORT, start=1) if text.startswith(name))
    read = read_chinese(text)
    return None if read is None else int(read)


def _sound(month: int | None, day: int | None) -> bool:
    return (month is None or 1 <= month <= 12) and (day is None or 1 <= day <= 31)


def _form(text: str) -> str:
    if text.isdigit():
        return "digits"
    if text.isascii():
        return "name of a month"
    return "han digit by digit" if len(text) == 4 else "han"


def _choices(name: str, month: int | None, day: int | None) -> tuple[int, ...]:
    if name == "quarter":
        return (1, 2, 3, 4)
    if name == "month":
        return tuple(each for each in range(1, 13) if _DAYS[each - 1] >= (day or 1))
    return tuple(range(1, _DAYS[month - 1] + 1)) if name == "day" and month else ()
