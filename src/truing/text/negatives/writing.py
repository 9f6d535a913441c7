"""Another number in a quantity's place and format: decimals, separators, full-width digits, numerals."""

from fractions import Fraction

from truing.text.negatives.dates import MONTHS, SHORT
from truing.text.negatives.numerals import write_chinese, write_digitwise, write_english
from truing.text.negatives.quantities import Form, Quantity, folded

_WIDE = {ord(str(digit)): chr(ord("０") + digit) for digit in range(10)} | {ord("."): "．", ord(","): "，"}


def decimals_of(number: str) -> int:
    """Count the decimals of a number as written."""
    return len(folded(number).partition("点" if "点" in number else ".")[2])


def finest(number: str) -> Fraction:
    """Return the smallest difference that the format of a number can say, in the number's own terms."""
    return Fraction(1, 10 ** decimals_of(number))


def write(quantity: Quantity, number: str, value: Fraction) -> str | None:
    """Write a value as `number`, the quantity's own, is written; None where that format cannot say it.

    Never shorter in decimals, never with another sign.
    """
    if (value * 10 ** decimals_of(number)).denominator != 1 or (value < 0) != (quantity.value < 0):
        return None
    if quantity.form in (Form.DIGITS, Form.PADDED):
        return _digits(number, value, padded=quantity.form is Form.PADDED)
    if quantity.form is Form.HAN:
        return _han(number, value)
    if value.denominator != 1 or quantity.form is Form.FIXED:
        return None
    if quantity.form is Form.HAN_DIGITWISE:
        return write_digitwise(int(value), number)
    if quantity.form is Form.WORD:
        return write_english(value, number)
    return _month(number, int(value))


def _digits(number: str, value: Fraction, *, padded: bool) -> str:
    plain = folded(number)
    decimals = decimals_of(number)
    scaled = abs(int(value * 10**decimals))
    whole, rest = divmod(scaled, 10**decimals)
    grouped = "," in plain or (plain.lstrip("+-−").partition(".")[0] == "" and whole >= 1000)
    written = f"{whole:,}" if grouped else str(whole)
    if padded:
        written = written.zfill(len(plain))
    sign = plain[0] if plain[0] in "+-−" else ""
    written = sign + written + (f".{rest:0{decimals}}" if decimals else "")
    return written.translate(_WIDE) if plain != number else written


def _han(number: str, value: Fraction) -> str | None:
    written = write_chinese(value, decimals_of(number))
    if written == "二" and "两" in number:
        return "两"
    return written


def _month(number: str, value: int) -> str | None:
    """Write the name of a month, short where `number` is short; a short May says nothing of length."""
    if not 1 <= value <= 12:
        return None
    short = number in SHORT and number not in MONTHS
    return SHORT[value - 1] if short or number == "Sept" else MONTHS[value - 1]
