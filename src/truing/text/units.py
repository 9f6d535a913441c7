"""The units of a Chinese or English text: words, sentences, lines, paragraphs, list items, scripts.

A Chinese character is a word of its own, as word processors count; a word in letters may hold an apostrophe,
a hyphen or a decimal point. Counts cover what a reader sees: markup in front of a line does not count.

    words("It's 3.5 km away.")            ["It's", "3.5", "km", "away"]
    sentences("你好！今天是3.5度吗？是的")   ["你好！", "今天是3.5度吗？", "是的"]
"""

import re
import unicodedata
from collections import Counter
from enum import StrEnum

APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ´`", "'"))
HAN = r"\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"

_WORD = re.compile(rf"[{HAN}]|\d+(?:[.,:/]\d+)+|[^\W{HAN}_]+(?:['’\-‑][^\W{HAN}_]+)*")
_HAN = re.compile(f"[{HAN}]")
_BULLET = re.compile(r"^[ \t]*[-*•·–]\s+(?=\S)", re.M)
_NUMBERED = re.compile(r"^[ \t]*(?:\*\*)?[(（]?(\d{1,3})[.)、．）]\s*(?=\S)", re.M)
_HEADING = re.compile(r"^#{1,6} +(?=\S)", re.M)
_LINE_MARKUP = re.compile(r"^\s*(?:#{1,6}\s+|>\s*|[-*•·–]\s+|[(（]?\d{1,3}[.)、．）]\s+)+")
# A sentence ends at 。！？ wherever they stand, and at . ! ? before a space and what may begin a new one.
_END = re.compile(
    r"(?:[。！？…]+|[!?]+(?=[\s\"'”’)\]*]|$)|\.+(?=[\"'”’)\]*]*(?:\s+[^\sa-z]|$)))[\"'”’」』）)\]*]*\s*"
)
_ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|No|Fig|approx|e\.g|i\.e|[A-Z]))\.$")
_FULL_STOP = re.compile(r"[.!?](?=\s|$|[\"'”’)])|[。！？]")


class Script(StrEnum):
    """The script of a word."""

    HAN = "han"
    LATIN = "latin"
    OTHER = "other"


def words(text: str) -> list[str]:
    """List words in letters or digits, and single Chinese characters, in order."""
    return _WORD.findall(text)


def sentences(text: str) -> list[str]:
    """List sentences, trimmed, with their full stops; a line break ends one, and an abbreviation does not."""
    return [part for line in text.splitlines() for part in _sentences_of(_LINE_MARKUP.sub("", line))]


def _sentences_of(line: str) -> list[str]:
    parts: list[str] = []
    start = 0
    for end in _END.finditer(line):
        if end[0].startswith(".") and _ABBREVIATION.search(line[start : end.start() + 1]):
            continue
        parts.append(line[start : end.end()])
        start = end.end()
    return [part.strip() for part in [*parts, line[start:]] if words(part)]


def whole_sentences(text: str) -> str:
    """Return `text` up to the end of its last sentence; the whole text where no sentence ends."""
    ends = [match.end() for match in _FULL_STOP.finditer(text)]
    return text[: ends[-1]].strip() if ends else text.strip()


def first_sentence(text: str) -> str:
    """Return `text` up to the end of its first sentence; the whole text where no sentence ends."""
    end = _FULL_STOP.search(text)
    return text[: end.end()].strip() if end else text.strip()


def lines(text: str) -> list[str]:
    """List lines that are not blank, trimmed."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def paragraphs(text: str) -> list[str]:
    """List the parts between blank lines, trimmed."""
    return [part.strip() for part in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n")) if part.strip()]


def bullets(text: str) -> int:
    """Count the lines that begin with a bullet: -, *, • or ·."""
    return len(_BULLET.findall(text))


def numbered(text: str) -> int:
    """Count the lines that are numbered in order from 1: "1." or "1)", in Chinese also "1、"."""
    count = 0
    for found in _NUMBERED.findall(text):
        count += int(found) == count + 1
    return count


def headings(text: str) -> int:
    """Count the lines that are Markdown headings: # to ######."""
    return len(_HEADING.findall(text))


def scripts(text: str) -> Counter[Script]:
    """Count the words in each script; digits are in none. Words of other scripts count as one each.

    Japanese text without spaces holds Chinese characters and is told by its kana, which are OTHER.
    """
    return Counter(script for word in words(text) if (script := _script(word)) is not None)


def _script(word: str) -> Script | None:
    letter = next((character for character in word if character.isalpha()), None)
    if letter is None:
        return None
    if _HAN.match(letter):
        return Script.HAN
    return (
        Script.LATIN
        if unicodedata.name(letter, "").startswith(("LATIN", "FULLWIDTH LATIN"))
        else Script.OTHER
    )
