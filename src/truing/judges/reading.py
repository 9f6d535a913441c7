"""Read what an answer states at its end, in fields that were asked for: a verdict, a score, several of them.

    answer -> without thoughts -> its last lines, its last block or the JSON object at its end -> fields

A field is a label and a value in any usual dress (`dress.py`): `VERDICT: A`, `**Final verdict:** A.`,
`结论：A`, `| Score | 7/10 |`, `[[A]]`, `{"verdict": "A"}`, a heading with the value below. Nothing may follow
the fields but the end of a block. An answer that ends otherwise, says two values of one field next to each
other, or quotes the field from what it judges, states nothing: `NoVerdictError` says why, and nothing is
guessed.
To read something new, make a `StatedField` (see `fields.py`).
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from truing.judges.dress import boxed, folded, plain, unwrapped
from truing.judges.opinions import NoVerdictError
from truing.text.answers import after_thoughts

FieldValue = TypeVar("FieldValue")
REACH = 60_000  # characters at the end of an answer in which fields are looked for
LONGEST = 2_000  # characters of a line that may be a field
OBJECTS = 64  # places where an object at the end may begin
LAST_BLOCK = re.compile(r"```\w*[ \t]*\n((?:(?!```).)*)```\Z", re.DOTALL)
LONE_END = re.compile(r"\n\s*(?:```|</(?:answer|output|response)>)\Z")
THINKING = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)
LEAD = (
    r"(?:(?:so|thus|therefore|hence|overall|in conclusion|因此|所以|综上|综上所述)\s*,?\s*)?"
    r"(?:(?:my|our|the|this is my|我的|我给出的|本次)\s*)?(?:(?:final|overall|最终|最后|总体|综合)\s*)?"
)
OPENS, CLOSES = r"[\[\"'“【(「]?", r"[\]\"'”】)」]?"
SEPARATOR = r"(?:\s*(?:\bis|为|是)?\s*[:=]\s*|\s+is\s*|\s*[为是]\s*|\s+[-–—]\s+|(?<=[】\].)、])\s*)"
# The line above a field may say that somebody else speaks: `Response A says:`, `I will not follow this:`.
TOLD = re.compile(
    r"\b(?:responses?|answers?|repl(?:y|ies)|texts?|candidates?|assistants?|it|a|b)\b.*\b(?:says?|said|writes?"
    r"|wrote|asks?|claims?|demands?|states?|stated|instructs?|tells?|outputs?|contains?|includes?|ends? with"
    r"|requests?|wants?|adds?|reads?|puts?)\b|(?:回答|回复|答案|文本|它|其|对方).*(?:说|写|要求|声称|称|包含|含有|输出|让|以)",
    re.IGNORECASE,
)
DISOWNED = re.compile(
    r"\b(?:ignor|refus|reject|inject|instruct|quot|fake|follow)|拒绝|忽略|无视|注入|引用|照做|指令|伪造",
    re.IGNORECASE,
)
OWN = re.compile(r"\b(?:my|i)\b|我", re.IGNORECASE)
CLAUSE = re.compile(r"[.,;。，；!！]\s*")


@dataclass(frozen=True)
class StatedField(Generic[FieldValue]):
    """One thing that an answer states.

    `label` is a pattern without groups. `value` turns plain text into the value; it returns None for text
    that is none, and raises NoVerdictError for one that cannot count, such as a score off the scale. `aside`
    is a pattern of what may follow the label in brackets. A field with `alone` may stand in a box, without
    its label, after the words of that pattern or none.
    """

    name: str
    label: str
    value: Callable[[str], FieldValue | None]
    aside: str = ""
    alone: str | None = None

    @cached_property
    def line(self) -> re.Pattern[str]:
        aside = rf"(?:\s*{self.aside})?" if self.aside else ""
        return re.compile(
            rf"{OPENS}{LEAD}{OPENS}(?:{self.label}){aside}{CLOSES}{SEPARATOR}(.+)", re.IGNORECASE
        )

    @cached_property
    def heading(self) -> re.Pattern[str]:
        aside = rf"(?:\s*{self.aside})?" if self.aside else ""
        return re.compile(rf"{OPENS}{LEAD}(?:{self.label}){aside}{CLOSES}\s*:?", re.IGNORECASE)

    @cached_property
    def tagged(self) -> re.Pattern[str]:
        return re.compile(rf"<({LEAD}(?:{self.label}))>\s*(.+?)\s*</\1>", re.IGNORECASE)

    @cached_property
    def key(self) -> re.Pattern[str]:
        return re.compile(LEAD + f"(?:{self.label})", re.IGNORECASE)

    def of_line(self, line: str) -> FieldValue | None:
        """Return the value that a plain line states, with or without quotation marks around the line."""
        for text in dict.fromkeys((line, unwrapped(line))):
            found = self.line.fullmatch(text) or self.tagged.fullmatch(text)
            value = self.value(unwrapped(found[found.re.groups])) if found else None
            if value is not None:
                return value
        return self._of_box(line)

    def _of_box(self, line: str) -> FieldValue | None:
        if self.alone is None:
            return None
        lead = re.match(rf"(?:{self.alone}|)", line, re.IGNORECASE)
        inside = boxed(line[lead.end() :].strip()) if lead else None
        if inside is None:
            return None
        found = self.line.fullmatch(inside)
        return self.value(unwrapped(found[1] if found else inside))


def read_field(text: str, field: StatedField[FieldValue]) -> FieldValue:
    """Return the value that an answer states at its end. Raises NoVerdictError."""
    return read_fields(text, [field])[field.name]


def read_fields(text: str, fields: Sequence[StatedField[Any]]) -> dict[str, Any]:
    """Return the value of every field, by its name. Raises NoVerdictError where one is missing."""
    found = read_stated(text, fields)
    missing = [field.name for field in fields if field.name not in found]
    if missing:
        raise NoVerdictError(f"the answer does not end with a {missing[0]}")
    return found


def read_stated(text: str, fields: Sequence[StatedField[FieldValue]]) -> dict[str, FieldValue]:
    """Return the values of the fields that an answer states. Raises NoVerdictError where it states none."""
    end = _end_of(text)
    found, above = _of_object(end, fields) or _of_lines(end, fields)
    if not found:
        raise NoVerdictError(f"the answer does not end with a {fields[0].name}: {_short(end.last)!r}")
    if _is_quoted(above):
        raise NoVerdictError(f"the answer ends with what it quotes: {_short(above)!r}")
    return found


@dataclass(frozen=True)
class _End:
    """The end of an answer: its last block or all of it, and the text before that."""

    body: str
    before: str

    @property
    def last(self) -> str:
        return self.body.rpartition("\n")[2].strip()


def _end_of(text: str) -> _End:
    said = after_thoughts(THINKING.sub(r"<\1think>", text))
    if said is None or "<think>" in said:
        raise NoVerdictError("the answer does not end its thoughts")
    whole = said.strip()[-REACH:]
    if block := LAST_BLOCK.search(whole):
        return _End(block[1].strip(), whole[: block.start()].rstrip())
    return _End(LONE_END.sub("", whole).strip(), "")


_Found = tuple[dict[str, Any], str]  # values by field, and the line above them


def _of_object(end: _End, fields: Sequence[StatedField[Any]]) -> _Found | None:
    """Read a JSON object that ends the body, whatever stands before it; None where there is none."""
    if not end.body.endswith("}"):
        return None
    for start in _beginnings(end.body):
        values = _object(end.body[start:], fields)
        if values is None:
            continue
        before = end.body[:start].rstrip() or end.before
        above = before.rpartition("\n")[2].strip()
        _agree(values, _line_values(above, fields))
        return (values, above) if values else None
    return None


def _beginnings(body: str) -> Iterator[int]:
    """Yield where an object may begin, the first place first: at a line's start or in the last line."""
    line = body.rfind("\n") + 1
    starts = [found.start() for found in re.finditer(r"(?m)^[ \t]*\{", body)]
    inside = [place for place, letter in enumerate(body[line:], line) if letter == "{"]
    places = sorted({*(body.index("{", start) for start in starts), *inside})
    yield from places[:OBJECTS]


def _object(text: str, fields: Sequence[StatedField[Any]]) -> dict[str, Any] | None:
    """Return the values of fields in a text that is one object; None where the text is none."""
    told = _parsed(text)
    if told is None and '"' not in text:
        told = _parsed(text.replace("'", '"'))
    if not isinstance(told, dict):
        return None
    values: dict[str, Any] = {}
    for key, value in told.items():
        label = re.sub(r"[_\-\s]+", " ", folded(key)).strip()
        for field in fields:
            if not field.key.fullmatch(label) or not isinstance(value, str):
                continue
            read = field.value(unwrapped(plain(value)))
            if read is not None:
                _agree(values, {field.name: read})
                values[field.name] = read
    return values


class _TwiceError(ValueError):
    """A key of an object has two values."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for key, value in pairs:
        if told.setdefault(key, value) != value:
            raise _TwiceError(key)
    return told


def _parsed(text: str) -> Any:
    """Parse JSON; numbers and the words true and false stay the text they are. None for other text."""
    try:
        told = json.loads(text, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_once)
    except _TwiceError as error:
        raise NoVerdictError(f"the answer states two values of {_short(str(error))!r}") from None
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    return {key: str(value).lower() if isinstance(value, bool) else value for key, value in told.items()}


def _of_lines(end: _End, fields: Sequence[StatedField[Any]]) -> _Found:
    """Read the fields that stand in the last lines of the body, without other text between them."""
    values: dict[str, Any] = {}
    lines = [line for line in end.body.split("\n") if line.strip()]
    while lines:
        read = _line_values(lines[-1], fields)
        used = 1
        if not read and not values and len(lines) > 1:
            read, used = _below_heading(lines[-2], lines[-1], fields), 2
        if not read:
            return values, lines[-1].strip()
        _agree(values, read)
        values = {**read, **values}
        del lines[-used:]
    return values, end.before.rpartition("\n")[2].strip()


def _line_values(line: str, fields: Sequence[StatedField[Any]]) -> dict[str, Any]:
    if len(line) > LONGEST:
        return {}
    if line.strip().startswith("{"):
        return _object(line.strip(), fields) or {}
    text = plain(line)
    values = {field.name: field.of_line(text) for field in fields}
    return {name: value for name, value in values.items() if value is not None}


def _below_heading(heading: str, line: str, fields: Sequence[StatedField[Any]]) -> dict[str, Any]:
    if len(heading) + len(line) > LONGEST:
        return {}
    for field in fields:
        if field.heading.fullmatch(plain(heading)):
            value = field.value(unwrapped(plain(line)))
            return {} if value is None else {field.name: value}
    return {}


def _agree(values: Mapping[str, Any], others: Mapping[str, Any]) -> None:
    """Raise where two statements next to each other differ."""
    for name, value in others.items():
        if name in values and values[name] != value:
            raise NoVerdictError(f"the answer states two values of its {name}: {value} and {values[name]}")


def _is_quoted(above: str) -> bool:
    """Tell whether the line above a field says that the field is somebody else's."""
    text = plain(above) if len(above) <= LONGEST else ""
    if not text.endswith(":"):
        return False
    clause = CLAUSE.split(text)[-1]
    return bool(DISOWNED.search(clause) or (TOLD.search(clause) and not OWN.search(clause)))


def _short(text: str) -> str:
    return text if len(text) <= 80 else "..." + text[-77:]
