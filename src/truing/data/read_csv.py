"""CSV and TSV: a header, after optional lines of `# comment`, then one record per row.

A record may span lines; its bytes are kept exactly. Every cell is text. The delimiter is a comma, a
semicolon, a tab or a bar: the one in a first line `sep=;`, else the first of the four that splits the header.
Records with blank cells alone, which spreadsheets leave behind, are skipped like blank lines.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from truing.core.errors import DataError
from truing.core.messages import Sentence, message
from truing.data.packed import lines_of, read_whole
from truing.data.rows import MAX_ROW_BYTES, RawRow, RowError, parse_text

DELIMITERS = ",;\t|"
NAMED = re.compile(rb"(?:\xef\xbb\xbf)?\"?sep=(.)\"?\s*", re.I)


@dataclass(frozen=True)
class _Record:
    """One record that `csv.reader` made of some physical lines."""

    line: int
    raw: bytes
    cells: list[str]
    error: RowError | None = None


def read_csv(name: str, file: BinaryIO, *, usual: str = ",") -> Iterator[RawRow]:
    """Yield one row per record. Raises `DataError` if the header cannot be used."""
    header: list[str] | None = None
    csv.field_size_limit(2 * MAX_ROW_BYTES)  # a process-wide limit; longer rows are refused by `parse_text`
    file = _with_line_feeds(name, file)
    for record in _records(name, file, _delimiter(name, file, usual)):
        if header is None:
            header = _header(name, record)
        elif any(cell.strip() for cell in record.cells) or record.error:
            yield _row(name, header, record)


def read_tsv(name: str, file: BinaryIO) -> Iterator[RawRow]:
    """Read a CSV file whose usual delimiter is the tab."""
    return read_csv(name, file, usual="\t")


def _with_line_feeds(name: str, file: BinaryIO) -> BinaryIO:
    """Return the file with line feeds for lone carriage returns, which end lines in old spreadsheets."""
    head = file.read(MAX_ROW_BYTES)
    if b"\r" in head and b"\n" not in head:
        return io.BytesIO((head + read_whole(name, file)).replace(b"\r", b"\n"))
    file.seek(0)
    return file


def _delimiter(name: str, file: BinaryIO, usual: str) -> str:
    """Find the character between the cells of the header."""
    lines = _Lines(name, file)
    first = next(iter(lines), "").removeprefix("\ufeff").strip("\r\n")
    file.seek(0)
    candidates = [usual, *(each for each in DELIMITERS if each != usual)]
    return lines.named or next((each for each in candidates if _parts(first, each)), usual)


def _parts(header: str, delimiter: str) -> bool:
    """Tell whether a delimiter parts a header; a broken one, which is told where it is read, it does not."""
    try:
        return len(next(csv.reader([header], delimiter=delimiter), [])) > 1
    except csv.Error:
        return False


def _records(name: str, file: BinaryIO, delimiter: str) -> Iterator[_Record]:
    lines = _Lines(name, file)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        cells, error = [], None
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as damage:
            error = RowError("broken-csv", _damage(lines.seen, damage))
        line, raw = lines.take()
        if raw.strip():
            yield _Record(line, raw, cells, error)


def _header(name: str, record: _Record) -> list[str]:
    """Return the columns' names; a column without one, such as a data frame's index, gets its number."""
    cells = [cell.removeprefix("\ufeff").strip() for cell in record.cells]
    keys = [cell or f"column {number}" for number, cell in enumerate(cells, start=1)]
    if record.error or len(set(keys)) != len(keys) or not any(cells):
        raise DataError(
            message(
                "{name}:{line}: the header is broken, blank, or has one name twice: {shown}",
                name=name,
                line=record.line,
                shown=", ".join(keys)[:80],
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
        cells, columns = len(record.cells), len(header)
        if cells < columns or any(cell.strip() for cell in record.cells[columns:]):
            said = message("{cells} cells under {columns} columns", cells=cells, columns=columns)
            raise RowError("column-count", said)
    except RowError as error:
        return RawRow(place, line, raw, error=error)
    return RawRow(place, line, raw, value=dict(zip(header, record.cells, strict=False)))


def _damage(line: bytes, error: csv.Error) -> Sentence:
    """Name the damage of a record; Spark's way to write quotes inside quotes is recognised."""
    if b'\\"' in line:
        said = "{reason}; a quote after a backslash is Spark's: write the file with .option('escape', '\"')"
        return message(said, reason=str(error)[:80])
    return message("{reason}", reason=str(error)[:80])


class _Lines:
    """An iterator that gives physical lines to `csv.reader` and remembers those of the record being read."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self._lines = lines_of(name, file)
        self._taken: list[bytes] = []
        self._next_line = 1
        self.named = ""  # the delimiter that a line before the header names

    def __iter__(self) -> Iterator[str]:
        started = False
        for line in self._lines:
            self._taken.append(line)
            if not started and line.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"#", b""):
                self.take()
                continue
            if not started and (named := NAMED.fullmatch(line)):
                self.named = named[1].decode("latin-1")
                self.take()
                continue
            started = True
            yield line.decode("utf-8", "surrogateescape")

    @property
    def seen(self) -> bytes:
        """The bytes of the record up to here."""
        return b"".join(self._taken)

    def take(self) -> tuple[int, bytes]:
        """Return the last record's first line number, and its bytes without the line feed that ends it."""
        line, raw = self._next_line, b"".join(self._taken)
        self._next_line += len(self._taken)
        self._taken.clear()
        return line, raw.removesuffix(b"\n")
