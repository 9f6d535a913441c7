r"""The value of a mathematical answer: a grammar read by recursive descent.

    answer  = part {"," part}                       product = signed {["*" | "/"] power}
    part    = [name "="] sum                        power   = postfix ["^" signed]
    sum     = product {("+" | "-") product}         postfix = atom {"!" | "%"}
    atom    = number | letter | function | bracket | "|" sum "|"

To add a function of one number, add a row to `_FUNCTIONS` and its name to the list in `maths_text`. Only
these rules are evaluated, and depth, size and length are limited: any text takes milliseconds.
"""

import math
import re
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

from truing.text.answers import MAX_DIGITS
from truing.text.maths_text import Token, UnreadableError, plain, tokens_of, words_of

MAX_DEPTH = 50  # brackets in brackets, powers of powers
MAX_BITS = 4096  # of a numerator or denominator
MAX_FACTORIAL = 300
MAX_PARTS = 100  # of a list

Real = Fraction | float


@dataclass(frozen=True, slots=True)
class Group:
    """Several values between brackets; between braces or none, in any order."""

    brackets: str  # such as "(]"
    parts: tuple["Real | Group", ...]


MathValue = Real | Group

_CLOSING = {"(": (")", "]"), "[": (")", "]"), "\\{": ("\\}",), "{": ("}",)}
_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "\\sin": math.sin,
    "\\cos": math.cos,
    "\\tan": math.tan,
    "\\ln": math.log,
    "\\exp": math.exp,
}
_CONSTANTS = {"e": math.e, "\\pi": math.pi}
_GREEK = re.compile(
    r"\\(alpha|beta|gamma|delta|(var)?epsilon|theta|lambda|mu|nu|xi|rho|sigma|tau|(var)?phi|chi|psi|omega"
    r"|Delta|Gamma|Omega|infty)"
)


def read(text: str, point: int = 0) -> MathValue | str:
    """Read the value of an answer at one of the fixed points, or its words. Raises UnreadableError."""
    text = plain(text)
    words = words_of(text)
    if words is not None:
        return words
    try:
        return _Reader(tokens_of(text), point).answer()
    except (ZeroDivisionError, OverflowError) as error:
        raise UnreadableError(f"it has no value: {error}") from error


class _Reader:
    """A reader of tokens: each method reads the part of its name from `at` on and returns its value."""

    def __init__(self, tokens: list[Token], point: int) -> None:
        self.tokens = tokens
        self.point = point
        self.at = 0
        self.depth = 0

    def answer(self) -> MathValue:
        parts = self._parts()
        if self.at < len(self.tokens):
            raise UnreadableError(f"{self._next!r} was not expected")
        return parts[0] if len(parts) == 1 else Group("", tuple(parts))

    def _parts(self) -> list[MathValue]:
        found = [self._part()]
        while self._take(",", ";"):
            found.append(self._part())
        if len(found) > MAX_PARTS:
            raise UnreadableError(f"{len(found)} parts, and at most {MAX_PARTS} are read")
        return found

    def _part(self) -> MathValue:
        named = [token.text for token in self.tokens[self.at + 1 : self.at + 2]]
        if named in (["="], ["\\in"]) and self.tokens[self.at].kind == "name":
            self.at += 2
        value = self._sum()
        return value if isinstance(value, Group) else _bounded(value)

    def _sum(self) -> MathValue:
        total = self._product()
        while sign := self._take("+", "-"):
            term = _number(self._product())
            total = _number(total) + (term if sign == "+" else -term)
        return total

    def _product(self) -> MathValue:
        total = self._signed()
        while True:
            if self._take("*"):
                total = _number(total) * _number(self._signed())
            elif self._take("/"):
                total = _number(total) / _number(self._signed())
            elif self._starts_factor():
                total = _number(total) * _number(self._power())
            else:
                return total

    def _starts_factor(self) -> bool:
        if self.at == len(self.tokens):
            return False
        kind, text = self.tokens[self.at]
        return kind in ("name", "command") or text in ("(", "[", "{")

    def _signed(self) -> MathValue:
        signs: list[str] = []
        while sign := self._take("+", "-"):
            signs.append(sign)
        value = self._power()
        return -_number(value) if signs.count("-") % 2 else value

    def _power(self) -> MathValue:
        base = self._postfix()
        if not self._take("^"):
            return base
        with self._deeper():
            return _powered(_number(base), _number(self._signed()))

    def _postfix(self) -> MathValue:
        value = self._atom()
        while mark := self._take("!", "%"):
            value = _number(value) / 100 if mark == "%" else _factorial(_number(value))
        return value

    def _atom(self) -> MathValue:
        with self._deeper():
            kind, text = self._take_any()
            if kind == "number":
                return self._mixed(_literal(text), text.isdigit())
            if text in _CONSTANTS:
                return _CONSTANTS[text]
            if kind == "name" or _GREEK.fullmatch(text):
                return self._letter(text)
            if kind == "command":
                return self._command(text)
            if text == "|":
                value = abs(_number(self._sum()))
                self._expect("|")
                return value
            if text in _CLOSING:
                return self._bracketed(text)
            raise UnreadableError(f"{text!r} was not expected")

    def _mixed(self, value: Fraction, whole: bool) -> Real:
        """Read 3 1/2 and 3\\frac{1}{2} as three and a half."""
        match [token.text for token in self.tokens[self.at : self.at + 7]]:
            case [over, "/", under, *_] if whole and over.isdigit() and under.isdigit():
                self.at += 3
            case ["\\frac", "{", over, "}", "{", under, "}"] if whole and over.isdigit() and under.isdigit():
                self.at += 7
            case _:
                return value
        return value + Fraction(int(over), int(under))

    def _letter(self, name: str) -> Fraction:
        seed = zlib.crc32(f"{self.point}:{name}".encode())
        return Fraction(seed % 89 + 11, 7)

    def _command(self, name: str) -> Real:
        if name == "\\frac":
            return _number(self._atom()) / _number(self._atom())
        if name == "\\sqrt":
            degree = Fraction(2)
            if self._take("["):
                degree = _number(self._sum())
                self._expect("]")
            return _root(_number(self._atom()), degree)
        if name == "\\abs":
            return abs(_number(self._atom()))
        if name == "\\log":
            base = _number(self._atom()) if self._take("_") else Fraction(10)
            return _applied(math.log, self._argument()) / _applied(math.log, base)
        if name in _FUNCTIONS:
            return _applied(_FUNCTIONS[name], self._argument())
        raise UnreadableError(f"{name} is outside the grammar")

    def _argument(self) -> Real:
        bracket = self._next in _CLOSING
        return _number(self._atom() if bracket else self._power())

    def _bracketed(self, opening: str) -> MathValue:
        parts = self._parts()
        closing = self._expect(*_CLOSING[opening])
        brackets = opening[-1] + closing[-1]
        if len(parts) > 1:
            return Group(brackets, tuple(parts))
        if brackets not in ("()", "[]", "{}"):
            raise UnreadableError(f"{brackets} is around one value")
        return parts[0]

    @property
    def _next(self) -> str:
        return self.tokens[self.at].text if self.at < len(self.tokens) else ""

    def _take(self, *texts: str) -> str:
        """Take the next token if it is one of these; else return empty text."""
        found = self._next
        if not found or found not in texts:
            return ""
        self.at += 1
        return found

    def _take_any(self) -> Token:
        if self.at == len(self.tokens):
            raise UnreadableError("it ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def _expect(self, *texts: str) -> str:
        found = self._take(*texts)
        if not found:
            raise UnreadableError(f"{' or '.join(texts)} is missing")
        return found

    @contextmanager
    def _deeper(self) -> Generator[None]:
        if self.depth == MAX_DEPTH:
            raise UnreadableError(f"nested deeper than {MAX_DEPTH} levels")
        self.depth += 1
        yield
        self.depth -= 1


# Arithmetic within bounds


def _number(value: MathValue) -> Real:
    if isinstance(value, Group):
        raise UnreadableError("a list stands where a number is needed")
    return _bounded(value)


def _bounded(value: Real) -> Real:
    if isinstance(value, Fraction):
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
            raise UnreadableError("a number is too large")
    elif not math.isfinite(value):
        raise UnreadableError("it has no finite value")
    return value


def _literal(text: str) -> Fraction:
    _, _, exponent = text.lower().partition("e")
    if len(text) > MAX_DIGITS or abs(int(exponent or 0)) > MAX_DIGITS:
        raise UnreadableError("a number is too large")
    return Fraction(text)


def _powered(base: Real, exponent: Real) -> Real:
    if not isinstance(exponent, Fraction) or exponent.denominator != 1:
        if exponent == Fraction(1, 2):
            return _root(base, Fraction(2))
        if base < 0:
            raise UnreadableError("a negative number has no such power")
        return float(base) ** float(exponent)
    if isinstance(base, float):
        return base**exponent.numerator
    unit = abs(base.numerator) <= 1 and base.denominator == 1
    bits = 0 if unit else max(base.numerator.bit_length(), base.denominator.bit_length())
    if bits * abs(exponent.numerator) > 2 * MAX_BITS:
        raise UnreadableError("a power is too large")
    return Fraction(base**exponent.numerator)


def _root(value: Real, degree: Real) -> Real:
    """Return the real root: exact for a perfect square; odd roots of negative numbers are negative."""
    if not isinstance(degree, Fraction) or degree.denominator != 1 or not 1 <= degree <= 100:
        raise UnreadableError("the degree of a root is a whole number from 1 to 100")
    if value < 0:
        if degree % 2 == 0:
            raise UnreadableError("a negative number has no such root")
        return -_root(-value, degree)
    if isinstance(value, Fraction) and degree == 2:
        over, under = math.isqrt(value.numerator), math.isqrt(value.denominator)
        if over * over == value.numerator and under * under == value.denominator:
            return Fraction(over, under)
    return float(value) ** (1 / int(degree))


def _factorial(value: Real) -> Fraction:
    if not isinstance(value, Fraction) or value.denominator != 1 or not 0 <= value <= MAX_FACTORIAL:
        raise UnreadableError(f"a factorial is of a whole number from 0 to {MAX_FACTORIAL}")
    return Fraction(math.factorial(value.numerator))


def _applied(function: Callable[[float], float], value: Real) -> float:
    try:
        return function(float(value))
    except ValueError as error:
        raise UnreadableError(f"it has no value: {error}") from error
