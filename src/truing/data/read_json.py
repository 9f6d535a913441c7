"""JSON and JSONL: one raw row per object, with the line it starts on and its exact bytes.

An array is decoded one element at a time, so that a damaged element costs one row. Where damage hides the
end of an element, it ends before the next whole row with a key of the rows before; without such a row, the
rest of the file becomes one bad row.
"""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from truing.core.errors import DataError
from truing.core.messages import message
from truing.data.packed import lines_of, read_whole
from truing.data.rows import LENIENT, MAX_ROW_BYTES, ROW_LISTS, STRICT, RawRow, RowError, raw_row

SPACE = re.compile(r"[ \t\r\n]*")
NEXT_OBJECT = re.compile(r",[ \t\r\n]*(?=\{)")
TRIES = 200  # objects of a file that are decoded in search of a next row
LIST_OF_OBJECTS = re.compile(r"\[[ \t\r\n]*\{")


def read_jsonl(name: str, file: BinaryIO) -> Iterator[RawRow]:
    """Yield one row per line; blank lines count for line numbers and are otherwise skipped."""
    for number, line in enumerate(lines_of(name, file), start=1):
        if line.strip():
            yield raw_row(name, number, line.removesuffix(b"\n"))


def read_json(name: str, file: BinaryIO) -> Iterator[RawRow]:
    """Yield the rows of an array, of the one list inside an object, of one object, or of JSONL named `.json`.

    A data frame that pandas wrote as one object, by columns, by rows or split in three, gives its rows.
    """
    data = read_whole(name, file)
    # Invalid bytes survive the round trip as lone surrogates, so slices give back the exact bytes.
    text = data.decode("utf-8", "surrogateescape")
    start = _skip(text, 1 if text.startswith("\ufeff") else 0)
    if text[start : start + 1] == "[":
        return _read_array(name, text, start)
    inner = None if _is_jsonl(data) else _wrapped_list(text, start)
    if inner is not None:
        return _read_array(name, text, inner)
    try:
        value, end = LENIENT.raw_decode(text, start)
    except (ValueError, RecursionError):
        return read_jsonl(name, io.BytesIO(data))
    if _skip(text, end) == len(text):
        if (rows := _frame_rows(value)) is not None:
            return _read_frame(name, rows)
        return iter([raw_row(name, 1 + text.count("\n", 0, start), _encode(text[start:end]))])
    return read_jsonl(name, io.BytesIO(data))


def _is_jsonl(data: bytes) -> bool:
    """Tell whether the first line is a whole object and more lines follow."""
    first, _, rest = data.strip().partition(b"\n")
    return bool(rest.strip()) and raw_row("", 1, first).value is not None


def _frame_rows(value: object) -> list[dict] | None:
    """Return the rows of a data frame that pandas wrote as one object; None for any other object."""
    if not isinstance(value, dict) or not value:
        return None
    columns, data = value.get("columns"), value.get("data")
    if isinstance(columns, list) and isinstance(data, list) and value.keys() <= {"columns", "index", "data"}:
        whole = all(isinstance(row, list) and len(row) == len(columns) for row in data)
        return [dict(zip(columns, row, strict=True)) for row in data] if whole else None
    parts = list(value.values())
    if not all(isinstance(part, dict) and part for part in parts):
        return None
    if all(map(str.isdecimal, value)):
        return parts
    numbers = list(parts[0])
    if all(map(str.isdecimal, numbers)) and all(part.keys() == parts[0].keys() for part in parts):
        return [{key: column[number] for key, column in value.items()} for number in numbers]
    return None


def _read_frame(name: str, rows: list[dict]) -> Iterator[RawRow]:
    for number, row in enumerate(rows, start=1):
        yield raw_row(name, 1, _encode(json.dumps(row, ensure_ascii=False)), place=f"{name}:1#{number}")


def _wrapped_list(text: str, start: int) -> int | None:
    """Find the start of the list of rows in `{"version": 1, "data": [{…}, …]}`; None in other objects."""
    position = _skip(text, start + 1)
    try:
        while text[position : position + 1] == '"':
            key, position = LENIENT.raw_decode(text, position)
            position = _skip(text, _skip(text, position) + 1)  # past the colon
            if key not in ROW_LISTS and LIST_OF_OBJECTS.match(text, position):
                return position
            _, position = LENIENT.raw_decode(text, position)
            position = _skip(text, _skip(text, position) + 1)  # past the comma
    except (ValueError, RecursionError):
        return None
    return None


def _read_array(name: str, text: str, start: int) -> Iterator[RawRow]:
    """Yield the elements of the array at `start`; damage that hides an element's end makes one bad row.

    The place of an element that shares its line with another ends in its number there: `rows.json:1#7`.
    """
    position, line, counted, number, shared = _skip(text, start + 1), 1, 0, 0, False
    keys, tries = set[str](), iter(range(TRIES))
    while text[position : position + 1] not in ("]", ""):
        line += text.count("\n", counted, position)
        counted, number = position, number + 1
        end, own = _element(text, position)
        keys |= own
        if end is None:
            following = _next_row(text, position, keys, tries)
            if following is None:
                break
            yield _damaged(name, line, text[position:following])
            position, shared = following, False
            continue
        raw, before, position = _encode(text[position:end]), shared, _skip(text, end)
        shared = (
            text[position : position + 1] == "," and "\n" not in text[counted : _skip(text, position + 1)]
        )
        place = f"{name}:{line}#{number}" if before or shared else f"{name}:{line}"
        yield raw_row(name, line, raw, place=place)
        if text[position : position + 1] == ",":
            position = _skip(text, position + 1)
    line += text.count("\n", counted, position)
    if text[position : position + 1] != "]":
        rest = _encode(text[position:])
        said = message("the array breaks off here; the rest of the file counts as one row")
        yield RawRow(f"{name}:{line}", line, rest, error=RowError("broken-json", said))
    elif LIST_OF_OBJECTS.search(text, position):
        raise DataError(
            message("{name} holds more than one list of rows", name=name),
            hint=message("write each list to a file of its own"),
        )


def _element(text: str, position: int) -> tuple[int | None, set[str]]:
    """Find the end of an element and its keys; None where nothing whole stands at `position`."""
    for decoder in (STRICT, LENIENT):
        try:
            value, end = decoder.raw_decode(text, position)
        except (RowError, ValueError, RecursionError):
            continue  # the element's own error is found again, and reported, when it is decoded by itself
        return end, set(value) if isinstance(value, dict) else set()
    return None, set()


def _next_row(text: str, position: int, keys: set[str], tries: Iterator[int]) -> int | None:
    """Find the start of the next whole object that has one of `keys`; each candidate takes one of `tries`."""
    for found, _ in zip(NEXT_OBJECT.finditer(text, position), tries, strict=False):
        end, own = _element(text[found.end() : found.end() + MAX_ROW_BYTES], 0)
        if end is not None and (keys & own if keys else not own & {"role", "from"}):
            return found.end()
    return None


def _damaged(name: str, line: int, text: str) -> RawRow:
    row = raw_row(name, line, _encode(text.rstrip(" \t\r\n").removesuffix(",")))
    said = message("no row; a comma or a bracket is missing or too much")
    return replace(row, value=None, error=row.error or RowError("broken-json", said))


def _skip(text: str, position: int) -> int:
    match = SPACE.match(text, position)
    return match.end() if match else position


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
