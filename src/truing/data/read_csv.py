"""CSV and TSV: a header, after optional lines of `# comment`, then one record per row.

A record may span lines; its bytes are kept exactly. A cell that spells a list of messages in JSON, or
one of the other lists that rows have, becomes that list; every other cell is text.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from truing.core.errors import DataError
from truing.core.messages import message
from truing.data.rows import MAX_ROW_BYTES, ROW_LISTS, STRICT, RawRow, RowError, parse_text

PLAIN_LISTS = frozenset(["src", "tgt", "response", "responses", "ranks", "scores", "sort", "history"])
MESSAGE_KEYS = frozenset(["role", "from", "messages", "response"])


@dataclass(frozen=True)
class _Record:
    """What `csv.reader` made of some physical lines."""

    line: int
    raw: bytes
    cells: list[str]
    error: RowError | None = None


def read_csv(name: str, file: BinaryIO, *, delimiter: str = ",") -> Iterator[RawRow]:
    """One row per record. `DataError` if the header itself cannot be used."""
    header: list[str] | None = None
    for record in _records(file, delimiter):
        if header is None:
            header = _header(name, record)
        else:
            yield _row(name, header, record)


def read_tsv(name: str, file: BinaryIO) -> Iterator[RawRow]:
    """`read_csv` with tabs."""
    return read_csv(name, file, delimiter="\t")


def _records(file: BinaryIO, delimiter: str) -> Iterator[_Record]:
    csv.field_size_limit(2 * MAX_ROW_BYTES)  # a process-wide limit; longer rows are refused by `parse_text`
    lines = _Lines(file)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        cells, error = [], None
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as damage:
            error = RowError("broken-csv", str(damage)[:80])
        line, raw = lines.take()
        if raw.strip():
            yield _Record(line, raw, cells, error)


def _header(name: str, record: _Record) -> list[str]:
    keys = [cell.removeprefix("\ufeff").strip() for cell in record.cells]
    if record.error or len(set(keys)) != len(keys) or "" in keys:
        shown = ", ".join(keys)[:80]
        raise DataError(
            message(
                "{name}:{line}: the header is broken, or has an empty name or one name twice: {shown}",
                name=name,
                line=record.line,
                shown=shown,
            ),
            hint=message("give every column a name of its own"),
        )
    return keys


def _row(name: str, header: list[str], record: _Record) -> RawRow:
    place, line, raw = f"{name}:{record.line}", record.line, record.raw
    try:
        parse_text(raw)
        if record.error:
            raise record.error
        if len(record.cells) != len(header):
            raise RowError(
                "column-count",
                message(
                    "{cells} cells under {columns} columns", cells=len(record.cells), columns=len(header)
                ),
            )
    except RowError as error:
        return RawRow(place, line, raw, error=error)
    value = {key: _cell(key, cell) for key, cell in zip(header, record.cells, strict=True)}
    return RawRow(place, line, raw, value=value)


def _cell(key: str, cell: str) -> object:
    if key not in ROW_LISTS or not cell.startswith(("[", "{")):
        return cell
    try:
        value = STRICT.decode(cell)
    except (RowError, ValueError, RecursionError):
        return cell
    items = value if isinstance(value, list) else [value]
    messages = bool(items) and all(isinstance(item, dict) and MESSAGE_KEYS & item.keys() for item in items)
    return value if messages or (key in PLAIN_LISTS and isinstance(value, list)) else cell


class _Lines:
    """Hands physical lines to `csv.reader` and remembers those of the record being read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._taken: list[bytes] = []
        self._next_line = 1

    def __iter__(self) -> Iterator[str]:
        started = False
        for line in self._file:
            self._taken.append(line)
            if not started and line.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"#", b""):
                self.take()
                continue
            started = True
            yield line.decode("utf-8", "surrogateescape")

    def take(self) -> tuple[int, bytes]:
        """The line on which the last record starts, and its bytes without the line feed that ends it."""
        line, raw = self._next_line, b"".join(self._taken)
        self._next_line += len(self._taken)
        self._taken.clear()
        return line, raw.removesuffix(b"\n")
