"""Rows of binary sources: Parquet, Arrow (Feather), and data sets of the hub.

Values become the values that JSON would hold. Bytes in UTF-8 become text. A value that is neither text nor
number, such as a date or a picture, becomes text under a key that no format reads as words; under any other
key the row is set aside.
"""

import base64
import decimal
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from truing.core.errors import DataError
from truing.core.messages import message
from truing.data.frames import PROMPTS, RESPONSES, without_nan
from truing.data.packed import AGAIN, INSTALL, read_whole
from truing.data.rows import RawRow, RowError, check_text, strings

WORDS = frozenset([*PROMPTS, *RESPONSES, "instruction", "input", "text", "system", "src", "tgt", "responses"])


def read_parquet(name: str, file: BinaryIO) -> Iterator[RawRow]:
    """Yield one row per record of the file. Raises `DataError` for damage or two columns of one name."""
    with _arrow(name):
        import pyarrow.parquet

        opened = pyarrow.parquet.ParquetFile(io.BytesIO(read_whole(name, file)))
        _require_distinct(name, opened.schema_arrow.names)
        yield from decoded_rows(name, (row for batch in opened.iter_batches() for row in batch.to_pylist()))


def read_arrow(name: str, file: BinaryIO) -> Iterator[RawRow]:
    """Read Arrow's own file format, which Feather is too."""
    with _arrow(name):
        import pyarrow.ipc

        opened = pyarrow.ipc.open_file(io.BytesIO(read_whole(name, file)))
        _require_distinct(name, opened.schema.names)
        batches = map(opened.get_batch, range(opened.num_record_batches))
        yield from decoded_rows(name, (row for batch in batches for row in batch.to_pylist()))


@contextmanager
def _arrow(name: str) -> Iterator[None]:
    """Raise `DataError` with the file's name for damage or a missing library in the block."""
    try:
        from pyarrow import ArrowException
    except ImportError as error:
        raise DataError(message("{path} needs the pyarrow library", path=name), hint=INSTALL) from error
    try:
        yield
    except ArrowException as error:
        raise DataError(
            message("{path} is damaged: {error}", path=name, error=str(error)[:200]), hint=AGAIN
        ) from error


def _require_distinct(name: str, columns: list[str]) -> None:
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        raise DataError(
            message("{name} has two columns called {column}", name=name, column=twice),
            hint=message("give every column a name of its own"),
        )


def decoded_rows(name: str, values: Iterable[dict]) -> Iterator[RawRow]:
    """Yield the rows of a binary source; the line is the row's number, the bytes are its JSON."""
    for number, value in enumerate(values, start=1):
        place, raw = f"{name}:{number}", _line(value)
        try:
            row = {key: _plain(item, key) for key, item in value.items()}
            for string in strings(row):
                check_text(string)
            yield RawRow(place, number, raw, value=row)
        except RowError as error:
            yield RawRow(place, number, raw, error=error)


def _line(value: dict) -> bytes:
    text = json.dumps(without_nan(value), ensure_ascii=False, default=_written)
    return text.encode("utf-8", "surrogatepass")


def _plain(value: object, key: str) -> object:
    """Return a value as JSON holds it. Raises `RowError` for one without words where words are wanted."""
    if isinstance(value, dict):
        return {name: _plain(item, key) for name, item in value.items()}
    if isinstance(value, list):
        if value and all(isinstance(item, tuple) and len(item) == 2 for item in value):  # a map
            return {str(name): _plain(item, key) for name, item in value}
        return [_plain(item, key) for item in value]
    if isinstance(value, bytes):
        return _text(value, key)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if key in WORDS and not isinstance(value, decimal.Decimal):
        what = type(value).__name__
        raise RowError("wrong-type", message("`{key}` is a {what}, expected text", key=key, what=what))
    return _written(value)


def _text(value: bytes, key: str) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        if key in WORDS:
            raise RowError(
                "invalid-utf8", message("`{key}` holds bytes that are no UTF-8", key=key)
            ) from error
        return base64.b64encode(value).decode()


def _written(value: object) -> str:
    """Write a value that JSON cannot hold as text."""
    return _text(value, "") if isinstance(value, bytes) else str(value)
