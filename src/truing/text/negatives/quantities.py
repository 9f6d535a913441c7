"""Quantities of a text in canonical value: what a number means, apart from the way in which it is written.

    "1,000 m" and "1 km"             1000 metres
    "3.5万" and "35,000"             35000
    "50%", "百分之五十" and "一半"    1/2 of a share
    "2024年" and "二〇二四年"         the year 2024

A quantity keeps where its number stands and how that is written, so that `writing.py` can put another there.
Quantities with `Form.FIXED` are read for comparison and never written.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from truing.text.negatives.dates import DateFigure, find_dates
from truing.text.negatives.guarded import Spans
from truing.text.negatives.measures import PREFIXES, MeasureUnit, spellings
from truing.text.negatives.numerals import HAN_NUMERALS, ONES, TENS, read_chinese, read_english


class Form(StrEnum):
    """The way in which a number is written."""

    DIGITS = "digits"
    HAN = "han"
    HAN_DIGITWISE = "han digit by digit"
    WORD = "word"
    MONTH = "name of a month"
    PADDED = "two digits"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number of a text with its unit.

    `value` is the number as written, `scale` is what 万, million or % multiplies it with, and `canonical` the
    value in base units of `dimension`.
    """

    start: int
    end: int
    value: Fraction
    scale: Fraction
    unit: MeasureUnit | None
    dimension: str
    form: Form
    unit_span: tuple[int, int] | None = None
    scale_span: tuple[int, int] | None = None
    choices: tuple[int, ...] = ()  # the only values that may stand here, of a month, day or quarter

    @property
    def canonical(self) -> Fraction:
        return self.meaning(self.value)

    @property
    def meaning_key(self) -> tuple[str, Fraction]:
        """Dimension and canonical value; counts of different things compare as numbers."""
        return self.dimension.partition(":")[0], self.canonical

    def meaning(self, value: Fraction) -> Fraction:
        """Return the canonical value of another number in this one's place."""
        amount = value * self.scale
        return amount if self.unit is None else amount * self.unit.factor + self.unit.offset

    def number(self, canonical: Fraction) -> Fraction:
        """Return the number that must stand here for a canonical value."""
        amount = canonical if self.unit is None else (canonical - self.unit.offset) / self.unit.factor
        return amount / self.scale


SCALES = {
    "万亿": 10**12,
    "百万": 10**6,
    "千万": 10**7,
    "万": 10**4,
    "亿": 10**8,
    "千": 10**3,
    "trillion": 10**12,
    "billion": 10**9,
    "bn": 10**9,
    "million": 10**6,
    "mn": 10**6,
    "thousand": 10**3,
    "hundred": 10**2,
    "dozen": 12,
}
PERCENT = {"%", "percent", "per cent"}
_SHARE, _MILLE = Fraction(1, 100), Fraction(1, 1000)
CLASSIFIERS = "个家名位人次只项条台辆件座所种支份岁层倍户套处本张颗届场篇"
_WIDE = {ord("０") + digit: str(digit) for digit in range(10)} | {
    ord("．"): ".",
    ord("％"): "%",
    ord("﹪"): "%",
}
_HAN = f"[{HAN_NUMERALS}]"
_WORDS = "|".join(sorted([*ONES[2:], *TENS], key=len, reverse=True))
_UNIT = "|".join(
    re.escape(form) + ("(?![A-Za-z])" if form[-1].isascii() and form[-1].isalpha() else "")
    for form in sorted(spellings(), key=len, reverse=True)
    if form not in {"$", "US$", "HK$", "¥", "￥", "€", "£"}
)
_NUMBER = re.compile(
    rf"""
    (?P<prefix>{"|".join(re.escape(each) for each in PREFIXES)})?[ ]?
    (?:(?P<per>百分之|千分之)[ ]?)?
    (?:(?P<digits>(?<![A-Za-z0-9_.,/\-−+×*^=<>≤≥])[+\-−]?(?:\d{{1,3}}(?:,\d{{3}})+(?![\d,])|\d+)(?:\.\d+)?(?![\d/^×*=]|[.,]\d))
      |(?P<han>(?<![第几数半上近成{HAN_NUMERALS}]){_HAN}+(?:点[零〇一二三四五六七八九]+{_HAN}*)?)
      |(?<![A-Za-z0-9_-])(?P<word>(?i:(?:{"|".join(TENS)})-(?:{"|".join(ONES[1:10])})|{_WORDS}))(?![A-Za-z0-9_]))
    [ \-]?(?P<scale>万亿|百万|千万|万|亿|千(?!米|克|瓦|卡)
      |(?i:trillion|billion|bn|million|mn|thousand|hundred|dozen)(?![A-Za-z]))?
    [ \-]?(?:(?P<percent>%|(?i:percent|per[ ]cent)(?![A-Za-z]))
      |(?P<unit>{_UNIT})|(?P<tenth>成(?![为了功本立员就果长交年熟效分])))?
    """,
    re.X,
)
_FIXED = (
    (re.compile(r"一半|半数|(?<![A-Za-z])half(?![A-Za-z])", re.I), Fraction(1, 2)),
    (re.compile(r"(?<![A-Za-z])(?:a|one)[ -]third(?![A-Za-z])", re.I), Fraction(1, 3)),
    (re.compile(r"(?<![A-Za-z])two[ -]thirds(?![A-Za-z])", re.I), Fraction(2, 3)),
    (re.compile(r"(?<![A-Za-z])(?:a|one)[ -]quarter(?= of\b)", re.I), Fraction(1, 4)),
    (re.compile(r"(?<![A-Za-z])three[ -]quarters(?![A-Za-z])", re.I), Fraction(3, 4)),
)
_PARTS = re.compile(
    rf"(?<![百千{HAN_NUMERALS}])({_HAN}+)分之({_HAN}+)|(?<![\d/.])(\d{{1,4}})/(\d{{1,4}})(?![\d/]|\.\d)"
)
_INSIDE = "abcdefghijklmnopqrstuvwxyz,"
_NOUN = re.compile(r"[ \-]*([A-Za-z]{2,}|[㐀-鿿])")


def folded(text: str) -> str:
    """Write full-width digits, points and percent signs as ASCII, character by character."""
    narrow = text.translate(_WIDE)
    return re.sub(r"(?<=\d)，(?=\d{3}(?!\d))", ",", narrow) if narrow != text else text


def find_quantities(text: str, kept: Spans) -> list[Quantity]:
    """List the quantities of a text in their order, without those that touch a kept span."""
    plain = folded(text)
    found: list[Quantity] = []
    taken: list[tuple[int, int]] = []
    for quantity, span in (*_dates(plain), *_fractions(plain), *_numbers(plain)):
        free = all(span[1] <= start or end <= span[0] for start, end in taken)
        if free and not kept.touch(*span):
            found.append(quantity)
            taken.append(span)
    return sorted(found, key=lambda quantity: quantity.start)


_Found = Iterator[tuple[Quantity, tuple[int, int]]]


def _dates(text: str) -> _Found:
    for figure in find_dates(text):
        yield _figure(figure), (figure.start, figure.end)


def _figure(figure: DateFigure) -> Quantity:
    return Quantity(
        figure.start,
        figure.end,
        Fraction(figure.value),
        Fraction(1),
        None,
        figure.dimension,
        Form(figure.form),
        choices=figure.choices,
    )


def _fractions(text: str) -> _Found:
    for pattern, value in _FIXED:
        for match in pattern.finditer(text):
            yield _fixed(match, value), match.span()
    for match in _PARTS.finditer(text):
        under, over = (read_chinese(part) for part in match.group(1, 2)) if match[1] else (None, None)
        if match[3]:
            over, under = Fraction(match[3]), Fraction(match[4])
        if over is not None and under:
            yield _fixed(match, over / under), match.span()


def _fixed(match: re.Match[str], value: Fraction) -> Quantity:
    return Quantity(*match.span(), value, Fraction(1), None, "share", Form.FIXED)


def _numbers(text: str) -> _Found:
    for match in _NUMBER.finditer(text):
        read = _read(match, text)
        if read is not None:
            yield read, match.span()


def _read(match: re.Match[str], text: str) -> Quantity | None:
    name = next(key for key in ("digits", "han", "word") if match[key])
    start, end = match.span(name)
    scale, scale_span = Fraction(SCALES.get((match["scale"] or "").lower(), 1)), match.span("scale")
    if name == "digits":
        form = Form.DIGITS
        value = Fraction(match[name].replace(",", "").replace("−", "-"))
    elif name == "word":
        form, value = Form.WORD, read_english(match[name])
        if match[name][0].isupper() and text[:start].rstrip(' *_"“').endswith(tuple(_INSIDE)):
            return None  # The Two Towers
    else:
        head, split = _split_han(match[name])
        form, value = Form.HAN, read_chinese(head)
        if split:
            scale, scale_span, end = Fraction(SCALES[split]), (start + len(head), end), start + len(head)
        if not _counts(head, match, text):
            return None
    if value is None or not _whole_token(match, text, name):
        return None
    unit = _unit(match)
    dimension = "count"
    if match["percent"] or match["per"] or match["tenth"]:
        scale *= _MILLE if match["per"] == "千分之" else Fraction(1, 10) if match["tenth"] else _SHARE
        dimension = "share"
    elif unit is not None:
        dimension = unit.dimension
    elif noun := _NOUN.match(text, match.end()):
        dimension = f"count:{noun[1].lower()}" if value * scale < 100 else "count"
    span = match.span("prefix") if match["prefix"] else match.span("unit")
    return Quantity(
        start,
        end,
        value,
        scale,
        unit,
        dimension,
        form,
        unit_span=span if unit is not None else None,
        scale_span=scale_span if scale_span[0] >= 0 else None,
    )


def _split_han(numeral: str) -> tuple[str, str]:
    """Part 两千亿 into 两千 and 亿; a numeral that says more than a round amount of 万 or 亿 stays whole."""
    for name in ("万亿", "亿", "万"):
        head = numeral.removesuffix(name)
        if head != numeral:
            value = read_chinese(head)
            return (head, name) if value is not None and value < 10**4 else (numeral, "")
    return numeral, ""


def _counts(head: str, match: re.Match[str], text: str) -> bool:
    """Tell a numeral from a word that holds its character, such as 统一 or 三明治."""
    after = text[match.end() : match.end() + 1]
    if after and after in "几多余来把" and len(head) == 1 and not match["unit"]:
        return False
    if match["per"] or match["percent"] or match["tenth"]:
        return True
    digitwise = len(head) > 1 and not set(head) & set("十百千万亿点拾佰仟")
    if digitwise or not set(head) & set("零〇一二两三四五六七八九壹贰叁肆伍陆柒捌玖十"):
        return False  # 七八个 is seven or eight, 千万 a warning
    if head.endswith(("千", "百", "万", "亿")) and not set(head) & set("一二两三四五六七八九"):
        return False
    if len(head) > 1 or (match["scale"] and head != "一") or "点" in head:
        return after != "大" or match.end("han") != match.end()
    if match["unit"]:
        return head != "一" and match["unit"] not in {"米", "克", "升", "码", "周", "元"}
    return bool(after) and after in CLASSIFIERS and head not in "一"


def _whole_token(match: re.Match[str], text: str, name: str) -> bool:
    """Tell whether the number ends where its word ends: not the 3 of 3D or of 5-fold."""
    if name == "han":
        return True
    end = match.end(name)
    after = text[end : end + 1]
    if after.isascii() and after.isalpha():
        return bool(match["unit"] or match["scale"])
    if after == "-":
        return bool(match["unit"] or match["scale"] or match["percent"])
    return not (after == "." and text[end + 1 : end + 2].isalpha())


def _unit(match: re.Match[str]) -> MeasureUnit | None:
    spelling = match["prefix"] or match["unit"]
    return spellings()[spelling][0] if spelling else None
