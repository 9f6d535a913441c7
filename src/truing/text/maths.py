r"""Comparison of two mathematical answers, without evaluating text.

    \frac{1}{2}, 0.5, 3 1/2    numbers: exact fractions, floats where a root or a function needs them
    (x+1)^2, x^2+2x+1          formulas: their values at a few fixed points, where every letter is positive
    (1, 2], \{1, 2\}, 1, 2     intervals, points, sets and lists: part by part, sets and lists in any order
    \text{Monday}              words: without case

Units after a number, `x =` before it and a percent sign on one side only are ignored.

Libraries for this (math-verify, latex2sympy) end in sympy's `parse_expr`, which calls `eval`, and cut long
work with SIGALRM, which only a main thread has. `maths_reader` is a small grammar with bounded work instead.
Matrices, relations, calculus and complex numbers are outside: unreadable, which is not wrong.
"""

import math
import re
from fractions import Fraction

from truing.text.answers import NUMBER, Answer, folded, normalised
from truing.text.maths_reader import Group, MathValue, Real, read
from truing.text.maths_text import UnreadableError

POINTS = 3  # formulas that differ may agree at one by chance
UNORDERED = ("", "{}")  # brackets of lists and sets
_FORMULA = re.compile(r"(?<!\\)\$([^$\n]+)(?<!\\)\$|\\\(((?:(?!\\[()])[^\n])+)\\\)")


def formula(answer: Answer) -> str:
    """Return the mathematics of an answer: all, or from prose a formula or number, the last if unmarked."""
    try:
        read(answer.text)
    except UnreadableError:
        formulas = [match[1] or match[2] for match in _FORMULA.finditer(answer.near)]
        found = formulas or [match[0] for match in NUMBER.finditer(folded(answer.near))] or [answer.text]
        return found[0 if answer.marked else -1]
    return answer.text


def same(response: str, reference: str, *, tolerance: float = 1e-6) -> bool:
    """Tell whether two answers are equal; an unreadable response is equal to nothing.

    `tolerance` is relative and does not apply to two whole numbers. Raises UnreadableError for an unreadable
    reference, and only for that.
    """
    expected = _values(reference)
    if normalised(response) == normalised(reference):
        return True
    try:
        if _agree(_values(response), expected, tolerance):
            return True
        if ("%" in response) == ("%" in reference):
            return False
        return _agree(_values(_bare(response)), _values(_bare(reference)), tolerance)
    except UnreadableError:
        return False


def _bare(text: str) -> str:
    return text.replace("\\%", "").replace("%", "")


def _values(text: str) -> list[MathValue | str]:
    """Return the value of a text at every point."""
    return [read(text, point) for point in range(POINTS)]


def _agree(found: list[MathValue | str], expected: list[MathValue | str], tolerance: float) -> bool:
    return all(_equal(a, b, tolerance) for a, b in zip(found, expected, strict=True))


def _equal(a: MathValue | str, b: MathValue | str, tolerance: float) -> bool:
    if isinstance(a, str) or isinstance(b, str):
        return isinstance(a, str) and isinstance(b, str) and normalised(a) == normalised(b)
    if isinstance(a, Group) and isinstance(b, Group):
        return _equal_groups(a, b, tolerance)
    if isinstance(a, Group) or isinstance(b, Group):
        return False
    return close(a, b, tolerance)


def _equal_groups(a: Group, b: Group, tolerance: float) -> bool:
    ordered = a.brackets not in UNORDERED
    alike = a.brackets == b.brackets if ordered else b.brackets in UNORDERED
    if not alike or len(a.parts) != len(b.parts):
        return False
    left = list(b.parts)
    for part in a.parts:
        candidates = left[:1] if ordered else left
        match = next((i for i, other in enumerate(candidates) if _equal(part, other, tolerance)), None)
        if match is None:
            return False
        left.pop(match)
    return True


def close(value: Real, reference: Real, tolerance: float) -> bool:
    """Tell whether two numbers are equal, to a relative `tolerance` unless both are whole."""
    if isinstance(value, Fraction) and isinstance(reference, Fraction):
        if value.denominator == reference.denominator == 1:
            return value == reference
        return abs(value - reference) <= Fraction(tolerance) * abs(reference)
    try:
        return math.isclose(value, reference, rel_tol=max(tolerance, 1e-9), abs_tol=1e-12)
    except OverflowError:  # a fraction beyond floats is not equal to a float
        return False
