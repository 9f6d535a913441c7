"""TensorBoard's event files: scalars by tag and step, read on from where the last reading ended.

A file is a row of records: a length of 8 bytes, a check of 4, that many bytes, a check of 4. A record is a
protobuf `Event` with a step (field 2) and a summary (field 5) of values (field 1), each with a tag (field 1)
and a number: `simple_value` (field 2) or a tensor of one number (field 8). Everything else is passed over.
https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto
"""

import struct
from collections.abc import Iterator
from pathlib import Path

PATTERN = "events.out.tfevents.*"
MOST_BYTES = 64_000_000  # of a record: a longer one is damage
LoggedScalar = tuple[int, str, float]  # step, tag, value
_FLOAT, _DOUBLE = 1, 2  # types of a tensor's numbers


def read_scalars(path: Path, offset: int = 0) -> tuple[list[LoggedScalar], int]:
    """Return the scalars of whole records from `offset` on, and the offset behind the last of them.

    Reading stops at a torn or damaged record.
    """
    found: list[LoggedScalar] = []
    with path.open("rb") as file:
        file.seek(offset)
        while len(head := file.read(12)) == 12:
            (length,) = struct.unpack_from("<Q", head)
            if length > MOST_BYTES:
                break
            body = file.read(length + 4)
            if len(body) < length + 4:
                break
            offset += 12 + len(body)
            try:
                found += _scalars(memoryview(body)[:length])
            except (ValueError, IndexError, struct.error):
                break
    return found, offset


def _scalars(event: memoryview) -> Iterator[LoggedScalar]:
    step, summaries = 0, []
    for field, value in _fields(event):
        if field == 2 and isinstance(value, int):
            step = value
        elif field == 5 and isinstance(value, memoryview):
            summaries.append(value)
    for summary in summaries:
        for field, value in _fields(summary):
            if field == 1 and isinstance(value, memoryview) and (told := _value(value)) is not None:
                yield step, *told


def _value(message: memoryview) -> tuple[str, float] | None:
    tag, number = "", None
    for field, value in _fields(message):
        if field == 1 and isinstance(value, memoryview):
            tag = bytes(value).decode("utf-8", "replace")
        elif field == 2 and isinstance(value, memoryview) and len(value) == 4:
            (number,) = struct.unpack("<f", value)
        elif field == 8 and isinstance(value, memoryview):
            number = _number(value)
    return None if number is None or not tag else (tag, number)


def _number(tensor: memoryview) -> float | None:
    """Return the number of a tensor of one float or double; None for any other."""
    kind, content = 0, b""
    for field, value in _fields(tensor):
        if field == 1 and isinstance(value, int):
            kind = value
        elif field in (4, 5, 6) and isinstance(value, memoryview):  # raw bytes, floats, doubles
            content = bytes(value)
    form = {_FLOAT: "<f", _DOUBLE: "<d"}.get(kind)
    return struct.unpack(form, content)[0] if form and len(content) == struct.calcsize(form) else None


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number and the content of each field: an integer, or the bytes of anything else."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        size = {1: 8, 5: 4}.get(kind)
        if kind == 2:
            size, at = _varint(message, at)
        if size is None or at + size > len(message):
            raise ValueError
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    found = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        found, at = found | (byte & 127) << shift, at + 1
        if byte < 128:
            return found, at
    raise ValueError
