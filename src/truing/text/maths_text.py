r"""A mathematical answer as tokens: its many spellings, LaTeX and plain, become one."""

import re
from typing import NamedTuple

from truing.text.answers import folded

MAX_LENGTH = 2000  # characters


class UnreadableError(ValueError):
    """Text outside the grammar, or a value that is too large or does not exist."""


class Token(NamedTuple):
    """One token; the commands of LaTeX keep their backslash."""

    kind: str  # number, command, name, mark
    text: str


_WRAPPED = re.compile(r"\\(?:text|textbf|textit|mbox|mathrm|mathbf|operatorname)\s*\{([^{}]*)\}")
_REWRITES = [
    (re.compile(r"\\(?:left|right|displaystyle|bigl|bigr|big|Big)(?![A-Za-z])|\\[!,;: $]|[$€£¥~]"), " "),
    (re.compile(r"\^\s*\{?\s*\\circ\s*\}?|°|\\degree(?![A-Za-z])"), ""),
    (re.compile(r"\\[dtc]frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\\frac\s*(\d)"), r"\\frac{\1}"),
    (re.compile(r"(\\frac\s*\{\d\})\s*(\d)"), r"\1{\2}"),
    (re.compile(r"\\(?:cdot|times|ast)(?![A-Za-z])|[×·⋅]"), "*"),
    (re.compile(r"\\div(?![A-Za-z])|÷"), "/"),
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"\\%"), "%"),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"√"), r"\\sqrt "),
    (re.compile(r"∞"), r"\\infty "),
    (re.compile(r"π"), r"\\pi "),
    (re.compile(r"∈"), r"\\in "),
    (re.compile(r"(?<![A-Za-z\\])(sqrt|sin|cos|tan|log|ln|exp|abs|pi)(?![A-Za-z])"), r"\\\1 "),
]
_UNIT = re.compile(r"([-+]?[\d.,/ ]*\d)\s*[^\W\d_]{3,}[\w\s./^'-]*")  # 35 apples
_WORDS = re.compile(r"(?:[^\W\d]|[\s'.,&-])*")
_WORD = re.compile(r"[A-Za-z]{3,}|[^\W\d_A-Za-zα-ωΑ-Ω]")
_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{4,}")
_COMMON = (
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<command>\\[A-Za-z]+)"
    r"|(?P<name>[A-Za-zα-ωΑ-Ω](?:_(?:[A-Za-z\d]|\{[A-Za-z\d]+\}))?)|(?P<mark>\\[{}]|[-+*/^_()\[\]{}|,;=!%]))"
)
_TOKEN = re.compile(rf"\s*(?:(?P<thousands>\d{{1,3}}(?:,\d{{3}})+(?![\d,])(?:\.\d+)?)|{_COMMON}")
_INSIDE = re.compile(rf"\s*(?:{_COMMON}")  # brackets, where a comma parts two values


def plain(text: str) -> str:
    """Return the answer in one spelling. Raises UnreadableError for one that is too long."""
    if len(text) > MAX_LENGTH:
        raise UnreadableError(f"{len(text)} characters, and at most {MAX_LENGTH} are read")
    text = folded(text).strip(" \t\n$.,;:。、")
    whole = _WRAPPED.fullmatch(text)
    text = whole[1] if whole else _WRAPPED.sub(lambda match: match[1] if len(match[1]) == 1 else " ", text)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    unit = _UNIT.fullmatch(text)
    return (unit[1] if unit else text).strip()


def words_of(text: str) -> str | None:
    """Return `text` if it is words and no formula, else None."""
    return text if _WORDS.fullmatch(text) and _WORD.search(text) else None


def tokens_of(text: str) -> list[Token]:
    """Return the tokens of a plain answer. Raises UnreadableError for text outside the grammar."""
    if prose := _PROSE.search(text):
        raise UnreadableError(f"{prose[0][:20]!r} is a word in a formula")
    found: list[Token] = []
    position = depth = 0
    while position < len(text):
        match = (_INSIDE if depth else _TOKEN).match(text, position)
        if match is None or match.lastgroup is None:
            raise UnreadableError(f"{text[position : position + 20]!r} is outside the grammar")
        token = match[match.lastgroup]
        if match.lastgroup == "thousands":
            found.append(Token("number", token.replace(",", "")))
        else:
            found.append(Token(match.lastgroup, token))
        depth += (token in ("(", "[", "\\{")) - (token in (")", "]", "\\}"))
        position = match.end()
    return found
