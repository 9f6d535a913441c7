"""Recognise and name the mistakes that people make when they write YAML and JSON by hand.

For a full-width colon a parser says `could not find expected`; it reads “model” as a name with its quotes.
`mistake_near` looks at the lines where a parser gave up, `mistake_in` at a plain value that was read.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from truing.core.messages import Sentence, message

_KEY = r"[A-Za-z_][\w.]*"
_LEAD = r"[ \t\u3000\u00a0]*(?:- +)?[\"“”]?"
_COLON = re.compile(rf"{_LEAD}({_KEY})[\"“”]?\s*：")
_TIGHT = re.compile(rf"\s*(?:- +)?({_KEY}):(?=[^\s:/\\])")
_WIDE_SPACE = re.compile(r"[ ]*[\u3000\u00a0]|" + rf"{_LEAD}{_KEY}:[\u3000\u00a0]")
_WIDE_QUOTED = re.compile(r"[“”‘’].*[“”‘’]", re.DOTALL)
_WIDE_COMMA = re.compile(r"[!-~]+，\s*[!-~]+")
_DRIVE = re.compile(r"[A-Za-z]:[\x00-\x1f]")


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake, its line counted from 0, and the text to write instead."""

    line: int
    what: Sentence
    hint: Sentence


def mistake_near(lines: Sequence[str], first: int, last: int, problem: str) -> Mistake | None:
    """Find the mistake on lines `first` to `last` that made a parser give up with `problem`."""
    for number in range(max(0, first), min(last + 1, len(lines))):
        line = lines[number]
        if found := _COLON.match(line):
            return _colon(number, found[1])
        if _WIDE_SPACE.match(line):
            return _wide_space(number)
        if r"'\t'" in problem and "\t" in line:
            return Mistake(number, message("a tab; YAML is indented with spaces"), _SPACES)
        if "escape" in problem and number == last:
            return _backslash(number)
        if found := _TIGHT.match(line):
            what = message("no space after the colon of {key!r}", key=found[1])
            return Mistake(number, what, message("write `{key}: ` with a space", key=found[1]))
    return None


def mistake_in(value: str, style: str | None, line: int, *, leads: bool, in_flow: bool) -> Mistake | None:
    """Find the mistake in a scalar as it was read; `leads` if it is a key or stands first on its line."""
    if style == '"' and _DRIVE.match(value):
        return _backslash(line)
    if style:
        return None
    if leads and (found := _COLON.match(value)):
        return _colon(line, found[1])
    if leads and _WIDE_SPACE.match(value):
        return _wide_space(line)
    if _WIDE_QUOTED.fullmatch(value):
        return Mistake(line, message("full-width quotes around {text}", text=value), _QUOTES)
    if in_flow and _WIDE_COMMA.fullmatch(value):
        return Mistake(line, message("a full-width comma in {text}", text=value), _COMMA)
    return None


def mistake_in_json(line: str, number: int, problem: str) -> Mistake | None:
    """Find the mistake on the line where a JSON reader gave up."""
    if "escape" in problem:
        return _backslash(number)
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "", line)
    if wide := re.search(r"[：，“”‘’\u3000]", outside):
        what = message("a full-width character, {text!r}", text=wide[0])
        return Mistake(number, what, message("JSON is written with ASCII colons, commas, quotes and spaces"))
    return None


_SPACES = message("replace each tab by two spaces")
_QUOTES = message('write "…" with ASCII quotes, or none')
_COMMA = message("write an ASCII comma and a space")


def _colon(line: int, key: str) -> Mistake:
    what = message("a full-width colon '：' after {key!r}", key=key)
    return Mistake(line, what, message("write an ASCII colon and a space: `{key}: …`", key=key))


def _wide_space(line: int) -> Mistake:
    what = message("a full-width or non-breaking space where YAML has a plain one")
    return Mistake(line, what, message("replace it by ordinary spaces"))


def _backslash(line: int) -> Mistake:
    what = message("a backslash in double quotes begins an escape, such as \\n for a new line")
    hint = message("write the path with /, or in single quotes: 'D:\\rows\\train.jsonl'; in JSON write \\\\")
    return Mistake(line, what, hint)
