"""Rules that put a wrong number, date or unit in the place of a right one.

A number keeps its format: decimals, separators, full-width digits, numerals, round tens. A number that stands
at several places, in whatever writing, changes at all of them: 3.5万 and 35,000 still agree. Where one
place cannot say the new number (一半, "a third"), the number stays. What was derived from a number, such as a
share or a rate of growth, stays too: the false answer then disagrees with itself.
"""

import random
import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

from truing.text.negatives.measures import nearest, spellings
from truing.text.negatives.passages import Alteration, Draw, Edit, NumberRange, Passage
from truing.text.negatives.quantities import Form, Quantity
from truing.text.negatives.writing import finest, write

TRIES = 24
NEAREST = 3  # units of a family that are offered, by their size
_CALENDAR = {"month", "day", "quarter"}
_SHARES = {"share", "points"}
_SCALES = (("万", "亿"), ("thousand", "million", "billion", "trillion"), ("Thousand", "Million", "Billion"))
_OPENED = re.compile(r"[(（][^)）]*$")
Mentions = list[Quantity]


def numbers(passage: Passage, draw: Draw) -> Iterator[Alteration]:
    """Change amounts in digits: 35,000 to 48,000, 3.5 km to 2.7 km."""
    return _redrawn(passage, draw, "numbers")


def percentages(passage: Passage, draw: Draw) -> Iterator[Alteration]:
    """Change shares: 12.5% to 9.8%, 百分之二十 to 百分之二十六; a share up to 100 % stays below it."""
    return _redrawn(passage, draw, "percentages")


def years(passage: Passage, draw: Draw) -> Iterator[Alteration]:
    """Change years by a few: 2021年 to 2023年, in 1998 to in 1996."""
    return _redrawn(passage, draw, "years")


def dates(passage: Passage, draw: Draw) -> Iterator[Alteration]:
    """Change months, days and quarters to others that exist: 3月15日 to 3月22日, March to July, Q3 to Q1."""
    return _redrawn(passage, draw, "dates")


def numerals(passage: Passage, draw: Draw) -> Iterator[Alteration]:
    """Change numerals in words and amounts in 万 and 亿: 两千亿 to 三千亿, 3.5万 to 2.8万, twelve to nine."""
    return _redrawn(passage, draw, "numerals")


def units(passage: Passage, draw: Draw) -> Iterator[Alteration]:
    """Change a unit, a currency or a magnitude: km to m, 美元 to 欧元, 万 to 亿, million to billion."""
    for mentions in _groups(passage):
        first = mentions[0]
        rng = draw.at(passage, "units", first.start)
        options = [
            edits for of in ("unit_span", "scale_span") for edits in _other_units(passage, mentions, of)
        ]
        if options:
            yield Alteration("units", rng.choice(options))


def kind(mentions: Mentions) -> str:
    """Name the rule that changes a number, by its first mention."""
    first = mentions[0]
    if first.dimension in _SHARES:
        return "percentages"
    if first.dimension == "year":
        return "years"
    if first.dimension in _CALENDAR:
        return "dates"
    spelled = first.form in (Form.HAN, Form.HAN_DIGITWISE, Form.WORD)
    return "numerals" if spelled or (first.scale % 10**4 == 0 and first.scale != 10**6) else "numbers"


def _groups(passage: Passage) -> Iterator[Mentions]:
    """Yield the mentions of each number that may change, all of one canonical value."""
    groups: dict[tuple[str, Fraction], Mentions] = {}
    calendar = {quantity.canonical for quantity in passage.quantities if quantity.dimension == "year"}
    for quantity in passage.quantities:
        dimension = quantity.dimension
        if dimension.startswith("count") and quantity.canonical in calendar and not quantity.scale_span:
            dimension = "year"
        groups.setdefault((dimension, quantity.canonical), []).append(quantity)
    converted = set(_converted(passage))
    for mentions in groups.values():
        changeable = all(passage.free(each.start, each.end) for each in mentions)
        if converted & {each.start for each in mentions}:
            continue
        if changeable and all(each.form is not Form.FIXED and each.value for each in mentions):
            yield sorted(mentions, key=lambda each: each.dimension != "year")


def _converted(passage: Passage) -> Iterator[int]:
    """Yield the starts of a number and of the nearly equal one in another unit, in brackets behind it."""
    for first, second in pairwise(passage.quantities):
        between = passage.text[first.end : second.start]
        comparable = first.dimension == second.dimension and first.canonical != second.canonical
        near = abs(first.canonical - second.canonical) < abs(first.canonical) / 10
        if comparable and near and first.unit != second.unit and _OPENED.search(between):
            yield from (first.start, second.start)


def _redrawn(passage: Passage, draw: Draw, rule: str) -> Iterator[Alteration]:
    for mentions in _groups(passage):
        if kind(mentions) != rule:
            continue
        rng = draw.at(passage, rule, mentions[0].start)
        for value in _values(mentions[0], passage.text, rng, draw.spread):
            edits = _written(passage, mentions, mentions[0].meaning(value))
            if edits is not None:
                yield Alteration(rule, edits)
                break


def _values(first: Quantity, text: str, rng: random.Random, spread: NumberRange) -> Iterator[Fraction]:
    """Propose numbers for the first mention: drawn ones, then the nearest."""
    if first.choices or first.dimension == "year":
        near = [Fraction(each) for each in first.choices] or [
            first.value + sign * by for by in range(1, spread.years + 1) for sign in (1, -1)
        ]
        rng.shuffle(near)
        yield from near
        return
    fine = finest(text[first.start : first.end])
    step = _step(abs(first.value), fine, spread)
    for _ in range(TRIES):
        by = Fraction(spread.low + (spread.high - spread.low) * rng.random()) * rng.choice((1, -1))
        yield from _within(first, round(first.value * (1 + by) / step) * step, spread)
    for by in range(1, TRIES):
        for sign in (1, -1):
            yield from _within(first, first.value + sign * by * fine, spread)


def _step(size: Fraction, fine: Fraction, spread: NumberRange) -> Fraction:
    """Return the power of ten in which a number is round, unless steps so wide leave no room for a change."""
    step = fine
    while fine == 1 and size % (10 * step) == 0 and 10 * step <= size * Fraction(spread.high) / 2:
        step *= 10
    return step


def _within(first: Quantity, value: Fraction, spread: NumberRange) -> Iterator[Fraction]:
    change = abs(value / first.value - 1)
    whole = first.dimension == "share" and 0 < first.canonical <= 1
    if spread.low <= change <= spread.high and not (whole and first.meaning(value) > 1):
        yield value


def _written(passage: Passage, mentions: Mentions, canonical: Fraction) -> tuple[Edit, ...] | None:
    """Write a new value at all places of a number; None where it cannot be said, or stands for another."""
    if _known(passage, mentions[0].dimension, canonical):
        return None
    edits: list[Edit] = []
    for mention in mentions:
        old = passage.text[mention.start : mention.end]
        value = mention.number(canonical)
        new = write(mention, old, value)
        ahead = passage.text[: mention.start].lower()
        if new is None or new == old or _is_one(mention, value) or _wrong_article(ahead, old, new):
            return None
        edits.append(Edit(mention.start, mention.end, old, new))
    return tuple(edits)


def _known(passage: Passage, dimension: str, canonical: Fraction) -> bool:
    """Tell whether the answer or its prompt states a value already; it might be true there."""
    base = dimension.partition(":")[0]
    return any(each.meaning_key == (base, canonical) for each in (*passage.quantities, *passage.asked))


def _is_one(mention: Quantity, value: Fraction) -> bool:
    """Tell whether a number is or becomes 1, which in English would change the noun after it."""
    amount = mention.dimension not in {*_SHARES, "year", *_CALENDAR}
    return amount and mention.scale_span is None and (value == 1 or mention.value == 1)


def _wrong_article(ahead: str, old: str, new: str) -> bool:
    article = ahead.rstrip("$€£¥").endswith((" a ", " an ")) or ahead in ("a ", "an ")
    return article and _sounds_open(old) != _sounds_open(new)


def _sounds_open(number: str) -> bool:
    """Tell whether "an" stands before a number: eight, eleven, eighteen, eighty."""
    whole = number.lower().partition(".")[0].partition(",")[0]
    return whole.startswith(("8", "eight", "eleven")) or whole in ("11", "18")


def _other_units(passage: Passage, mentions: Mentions, of: str) -> Iterator[tuple[Edit, ...]]:
    """Yield edits that write another unit or magnitude at all places of a number."""
    spans = [getattr(mention, of) for mention in mentions]
    if any(span is None or not passage.free(*span) for span in spans):
        return
    old = {passage.text[start:end] for start, end in spans}
    if len(old) != 1:
        return
    spelling = old.pop()
    for new in _spellings_for(spelling, of):
        if not _states(passage, mentions[0], of, spelling, new):
            yield tuple(Edit(start, end, spelling, new) for start, end in spans)


def _spellings_for(spelling: str, of: str) -> Iterator[str]:
    if of == "unit_span":
        yield from nearest(spelling)[:NEAREST]
    else:
        for row in _SCALES:
            place = row.index(spelling) if spelling in row else -2
            yield from (new for at, new in enumerate(row) if abs(at - place) == 1)


def _states(passage: Passage, first: Quantity, of: str, old: str, new: str) -> bool:
    """Tell whether a number with another unit has a value that is stated already, as 0 km and 0 m have."""
    if of == "unit_span":
        unit = spellings()[new][0]
        return _known(passage, unit.dimension, first.value * first.scale * unit.factor + unit.offset)
    sizes = {"万": 4, "亿": 8, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
    ratio = Fraction(10) ** (sizes[new.lower()] - sizes[old.lower()])
    amount = first.value * first.scale * ratio
    return _known(
        passage,
        first.dimension,
        amount if first.unit is None else amount * first.unit.factor + first.unit.offset,
    )
