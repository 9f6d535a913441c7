"""Numbers in Chinese characters and in English words: reading them and writing them.

    read_chinese("两千")        2000        write_chinese(3000)        三千
    read_chinese("三点五")      7/2         write_chinese(2, decimals=1)  二点零
    read_chinese("二〇二四")    2024        write_digitwise(2025, "二〇二四")  二〇二五
    read_chinese("七八")        78          digit by digit; in a text it is "seven or eight"
    read_english("twenty-five") 25          write_english(40)          forty

A numeral that means no one number (二三十, "twenty or thirty") reads as None.
"""

from fractions import Fraction

DIGITS = {
    **{character: value for value, character in enumerate("零一二三四五六七八九")},
    **{character: value for value, character in enumerate("壹贰叁肆伍陆柒捌玖", start=1)},
    "〇": 0,
    "○": 0,
    "两": 2,
}
SMALL = {"十": 10, "百": 100, "千": 1000, "拾": 10, "佰": 100, "仟": 1000}
LARGE = {"万": 10**4, "亿": 10**8}
HAN_NUMERALS = "".join([*DIGITS, *SMALL, *LARGE])

ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_WORDS = {
    **{word: value for value, word in enumerate(ONES)},
    **{word: 10 * value for value, word in enumerate(TENS, start=2)},
}


def read_chinese(text: str) -> Fraction | None:
    """Return the value of a Chinese numeral; None where it is none or means no one number."""
    if not text:
        return None
    whole, point, decimals = text.partition("点")
    if point:
        first = read_chinese(whole)
        if first is None or not decimals or any(each not in DIGITS for each in decimals):
            return None
        return first + Fraction(_digitwise(decimals), 10 ** len(decimals))
    if all(character in DIGITS for character in text):
        return Fraction(_digitwise(text))
    return _structured(text)


def _digitwise(text: str) -> int:
    return int("".join(str(DIGITS[character]) for character in text))


def _structured(text: str) -> Fraction | None:
    """Read a numeral with 十, 百, 千, 万 or 亿 in it."""
    total = section = 0
    digit: int | None = None
    unit = smallest = 10**12  # the unit before, and the smallest of the section
    zero = False
    for character in text:
        if character in DIGITS:
            if digit:
                return None
            digit = DIGITS[character]
            zero |= digit == 0
            continue
        unit = SMALL.get(character) or LARGE.get(character, 0)
        if unit == 0 or (digit == 0 and not zero):
            return None
        if unit in SMALL.values():
            if unit >= smallest or (digit is None and (section or unit != 10)):
                return None
            section += (digit or 1) * unit
            smallest = unit
        else:
            section += digit or 0
            if section == 0 and not (total and unit == 10**8):
                return None
            total = (total + section) * unit if unit == 10**8 else total + section * unit
            section, smallest = 0, 10**12
        digit, zero = None, False
    if digit and not zero and unit >= 100:
        return Fraction(total + section + digit * unit // 10)  # 一千二 is 1200
    return Fraction(total + section + (digit or 0))


def write_chinese(value: Fraction, decimals: int = 0) -> str | None:
    """Write a number that is not negative in Chinese characters; None where it needs more decimals.

    2 is 两 before 千, 万 and 亿, and 二 elsewhere.
    """
    whole, rest = divmod(value * 10**decimals, 10**decimals)
    if value < 0 or whole >= 10**12 or rest.denominator != 1:
        return None
    spelled = _whole(int(whole))
    if not decimals:
        return spelled
    return spelled + "点" + "".join(_han(int(digit)) for digit in f"{int(rest):0{decimals}}")


def _han(digit: int) -> str:
    return "零一二三四五六七八九"[digit]


def _whole(value: int) -> str:
    if value < 10:
        return _han(value)
    parts: list[str] = []
    rest = value
    for unit, name in ((10**8, "亿"), (10**4, "万"), (1, "")):
        section, rest = divmod(rest, unit)
        if not section:
            continue
        if parts and section < 1000:
            parts.append("零")
        written = "两" if section == 2 and name else _section(section, leading=not parts)
        parts.append(written + name)
    return "".join(parts)


def _section(value: int, *, leading: bool) -> str:
    """Write 1 to 9999; a leading 10 to 19 without 一."""
    written = ""
    gap = False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, value = divmod(value, unit)
        if digit:
            one = leading and not written and unit == 10 and digit == 1
            two = digit == 2 and unit == 1000
            written += (
                ("零" if gap and written else "") + ("" if one else "两" if two else _han(digit)) + name
            )
            gap = False
        else:
            gap = True
    return written


def write_digitwise(value: int, like: str) -> str | None:
    """Write a whole number digit by digit, with the zero that `like` has; None for another length."""
    zero = next((character for character in like if character in "零〇○"), "〇")
    written = "".join(_han(int(digit)) for digit in str(value)).replace("零", zero)
    return written if len(written) == len(like) else None


def read_english(text: str) -> Fraction | None:
    """Return the value of an English number word below 100, such as "twelve" or "twenty-five"."""
    tens, hyphen, ones = text.lower().partition("-")
    if not hyphen:
        value = _WORDS.get(tens)
        return None if value is None else Fraction(value)
    if tens not in TENS or _WORDS.get(ones, 0) not in range(1, 10):
        return None
    return Fraction(_WORDS[tens] + _WORDS[ones])


def write_english(value: Fraction, like: str = "") -> str | None:
    """Write a whole number below 100 as a word, with a capital where `like` has one; None for another."""
    if value.denominator != 1 or not 0 <= value < 100:
        return None
    tens, ones = divmod(int(value), 10)
    word = ONES[int(value)] if value < 20 else TENS[tens - 2] + (f"-{ONES[ones]}" if ones else "")
    return word.capitalize() if like[:1].isupper() else word
