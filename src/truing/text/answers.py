r"""The answer in a response, and the number in that answer.

    spoken          after </think>, and in <answer>…</answer> where there is one
    final_answer    in that part: in the last \boxed{…}, after ####, after "the answer is", else everything
    find_number     the first number of a marked answer, the last of anything else

Everything here is linear in the length of the text and evaluates nothing.
"""

import re
import unicodedata
from collections import deque
from dataclasses import dataclass
from fractions import Fraction

MAX_DIGITS = 400  # of a number written out
REACH = 10_000  # characters of an answer in which a number or formula is looked for
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_EDGES = " \t\n.,;:!?\"'`*。，；：！？、“”‘’"
_SAID = re.compile(r"(?:\banswer\b(?:\s+is\b|\s*[:：=])|答案[ \t*]*[是为:：=])[ \t*:：=]*(\S[^\n]*)", re.I)
_SHORT_BOX = re.compile(r"\\boxed\s+([^\s$.,;]+)")
_FRAC = re.compile(r"\\[dt]?frac\s*\{\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}")
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)"
NUMBER = re.compile(
    rf"""(?P<sign>(?<![A-Za-z\d._)])[-+])?[$€£¥]?(?<![A-Za-z\d._^])
    (?:(?P<whole>\d+)[ ]+(?P<over>\d+)/(?P<under>\d+)(?![\d/]|\.\d)
      |(?P<top>{_DIGITS})[ ]?/[ ]?(?P<bottom>{_DIGITS})(?![\d/]|\.\d)
      |(?P<decimal>{_DIGITS}(?:\.\d+)?|\.\d+)
       (?:[eE](?P<e>[-+]?\d+)|\s?(?:[*×x]|\\times|\\cdot)\s?10\s?(?:\^|\*\*)\s?\{{?(?P<ten>[-+]?\d+)\}}?)?
    )
    (?:\s?(?P<percent>\\?%|percent\b|per\ cent\b))?
    (?:\s?(?P<unit>万亿|万|亿|(?:thousand|million|billion|trillion)\b))?""",
    re.X | re.I,
)
_UNITS = {
    "万": 10**4,
    "亿": 10**8,
    "万亿": 10**12,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a response; `marked` if the response says that this is its answer."""

    text: str
    marked: bool

    @property
    def near(self) -> str:
        """The part to search for a number or formula: the start of a marked answer, the end of another."""
        return self.text[:REACH] if self.marked else self.text[-REACH:]


@dataclass(frozen=True, slots=True)
class ExactNumber:
    """An exact number; 50 % is 1/2 with `percent`."""

    value: Fraction
    percent: bool = False

    @property
    def shown(self) -> Fraction:
        """The number before the percent sign."""
        return self.value * 100 if self.percent else self.value


def folded(text: str) -> str:
    """Write characters with several forms in one: full-width forms, minus signs, ², ½."""
    text = re.sub("([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)", lambda run: "^" + run[0].translate(_SUPERSCRIPTS), text)
    text = re.sub("([¼-¾⅐-⅞])", r" \1", text)  # NFKC would make 31⁄2 of 3½
    text = unicodedata.normalize("NFKC", text).replace("⁄", "/")
    return re.sub("[−–—﹣]", "-", text)


def trimmed(text: str) -> str:
    """Strip white space, punctuation, quotes, markdown and dollar signs around a text."""
    return text.strip(_EDGES + "$").strip()


def normalised(text: str) -> str:
    """Return a text for comparing words: folded, lower case, single spaces, trimmed."""
    return trimmed(" ".join(folded(text).casefold().split()))


def after_thoughts(text: str) -> str | None:
    """Return the words of a response after its thoughts; None for a response that never stops thinking."""
    _, closed, said = text.rpartition("</think>")
    return None if not closed and "<think>" in text else said


def spoken(text: str) -> str | None:
    """Return the words of a response after its thoughts, inside <answer>…</answer> where it has that.

    None for a response that never stops thinking.
    """
    said = after_thoughts(text)
    if said is None:
        return None
    start, end = said.rfind("<answer>"), said.rfind("</answer>")
    return said[start + len("<answer>") : end] if 0 <= start < end else said


def final_answer(text: str) -> Answer | None:
    """Find the answer of a response; None for one that never stops thinking or says nothing."""
    said = spoken(text)
    if said is None or not said.strip():
        return None
    found = _boxed(said)
    if found is None and "####" in said:
        found = said.rpartition("####")[2].strip().partition("\n")[0]
    if found is None and (lines := _SAID.findall(said)):
        found = lines[-1]
    return Answer((found or said).strip(), bool(found) or "</answer>" in text)


def _boxed(text: str) -> str | None:
    """Return the inside of the last \\boxed{…} that closes."""
    place = max(text.rfind("\\boxed{"), text.rfind("\\fbox{"))
    if place < 0:
        short = _SHORT_BOX.findall(text)
        return short[-1] if short else None
    start, depth = text.index("{", place), 0
    for brace in re.finditer(r"\\[{}]|[{}]", text[start:]):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return text[start + 1 : start + brace.start()]
    return None


def find_number(answer: Answer) -> ExactNumber | None:
    """Find the number of an answer: the first where the answer is marked, else the last."""
    text = _FRAC.sub(r" \1/\2", folded(answer.near)).replace("{,}", ",").replace("\\$", "$")
    found = NUMBER.finditer(text)
    match = next(found, None) if answer.marked else next(iter(deque(found, maxlen=1)), None)
    return None if match is None else _number(match)


def _number(match: re.Match[str]) -> ExactNumber | None:
    """Return the value of a match; None for a number that is too large, or that divides by zero."""
    parts = {key: (value or "").replace(",", "") for key, value in match.groupdict().items()}
    if max(map(len, parts.values())) > MAX_DIGITS:
        return None
    if parts["decimal"]:
        exponent = int(parts["e"] or parts["ten"] or 0)
        if abs(exponent) > MAX_DIGITS:
            return None
        value = Fraction(parts["decimal"]) * Fraction(10) ** exponent
    else:
        over, under = int(parts["over"] or parts["top"]), int(parts["under"] or parts["bottom"])
        if under == 0:
            return None
        value = int(parts["whole"] or 0) + Fraction(over, under)
    value *= _UNITS.get(parts["unit"].lower(), 1)
    percent = bool(parts["percent"])
    return ExactNumber((-value if parts["sign"] == "-" else value) / (100 if percent else 1), percent)
