"""One row of a file before its format is known: its place, its exact bytes, its value or its damage.

A damaged row is a value, never an exception that ends the reading: `RawRow.error` says what is wrong
and `RawRow.raw` keeps the bytes for the quarantine. `RowError` is also what the format parsers raise.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from truing.core.encodings import is_gb18030
from truing.core.messages import message

MAX_ROW_BYTES = 10 * 1024 * 1024
MAX_SHOWN = 60
# Lists that belong to one row: an object holding them is a row and not the wrapper of a whole file.
ROW_LISTS = frozenset(
    [
        "messages",
        "conversations",
        "rejected_messages",
        "chosen",
        "rejected",
        "prompt",
        "completion",
        "response",
        "responses",
        "input",
        "completions",
        "preferred_output",
        "non_preferred_output",
        "history",
        "tools",
        "src",
        "tgt",
        "sort",
        "ranks",
        "scores",
        "rubric",
    ]
)


class RowError(Exception):
    """One row cannot be used. `code` is counted in reports; the message shows little of the row's text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type["RowError"], tuple[str, str]]:
        """Pickle both parts: a chunk of rows goes to another process."""
        return RowError, (self.code, self.message)


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as it stood on disk. Exactly one of `value` and `error` is set."""

    place: str  # file name and line, "pairs.jsonl:17"
    line: int  # the line on which the row starts, counted from 1
    raw: bytes  # the row's exact bytes, without the line feed that ends it
    value: dict | None = None
    error: RowError | None = None

    def __post_init__(self) -> None:
        assert (self.value is None) != (self.error is None)


def excerpt(value: object) -> str:
    """Return at most 60 characters of a value, control characters escaped, for use in a message."""
    shown = repr(value[: MAX_SHOWN + 1]) if isinstance(value, str | bytes) else repr(value)
    return shown if len(shown) <= MAX_SHOWN else shown[: MAX_SHOWN - 1] + "…"


def raw_row(name: str, line: int, raw: bytes, *, place: str = "") -> RawRow:
    """Decode the JSON object in `raw`; damage becomes the row's error. `place` is `name:line` by default."""
    place = place or f"{name}:{line}"
    try:
        return RawRow(place, line, raw, value=parse_object(raw, first=line == 1))
    except RowError as error:
        return RawRow(place, line, raw, error=error)


def parse_object(raw: bytes, *, first: bool = False) -> dict:
    """Parse the JSON object in `raw`, or raise `RowError`. With `first` a byte order mark may precede it."""
    text = parse_text(raw)
    if text.startswith("\ufeff"):
        if not first:
            raise RowError("bom", message("a byte order mark in the middle of the file; remove it"))
        text = text[1:]
    try:
        value = STRICT.decode(text)
    except json.JSONDecodeError as error:
        said = "column {number}: {reason}"
        told = message(said, number=error.colno, reason=message(error.msg))
        raise RowError("broken-json", told) from error
    except RecursionError as error:
        raise RowError("too-deep", message("brackets are nested too deeply to be a row")) from error
    except ValueError as error:  # an integer of more than 4300 digits
        raise RowError("bad-number", str(error)[:80]) from error
    if not isinstance(value, dict):
        raise RowError(
            "not-an-object", message("expected an object {{…}}, found {kind}", kind=type(value).__name__)
        )
    if b"\\u" in raw:
        for string in strings(value):
            check_text(string)
    return value


def parse_text(raw: bytes) -> str:
    """Decode `raw` as UTF-8 text. Raises `RowError` for NUL and for too much text."""
    if len(raw) > MAX_ROW_BYTES:
        raise RowError(
            "too-long",
            message("{n:,} bytes in one row; the limit is {most:,}", n=len(raw), most=MAX_ROW_BYTES),
        )
    if b"\x00" in raw:
        raise RowError("nul", message("column {number}: a NUL byte", number=raw.index(0) + 1))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        reads = message("; the row is GB18030 text") if is_gb18030(raw) else message("")
        raise RowError(
            "invalid-utf8",
            message(
                "column {number}: byte 0x{byte:02x} is not UTF-8{reads}",
                number=error.start + 1,
                byte=raw[error.start],
                reads=reads,
            ),
        ) from error


def check_text(text: str) -> None:
    """Raise `RowError` for characters that no tokenizer can take: NUL and lone surrogates."""
    if "\x00" in text:
        raise RowError("nul", message("a string holds the NUL character \\u0000"))
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise RowError(
            "lone-surrogate", message("a string holds half of a surrogate pair (\\ud800 … \\udfff)")
        )


def strings(value: object) -> Iterator[str]:
    """Yield every string inside a decoded JSON value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def _unique_keys(pairs: list[tuple[str, object]]) -> dict:
    value = dict(pairs)
    if len(value) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise RowError(
            "duplicate-key", message("key {value} stands twice in one object", value=excerpt(twice))
        )
    return value


STRICT = json.JSONDecoder(object_pairs_hook=_unique_keys)
LENIENT = json.JSONDecoder(strict=False)  # finds where a damaged element of an array ends
