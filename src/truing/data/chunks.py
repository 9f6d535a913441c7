"""Some rows of one file at a time: from raw rows to records, with an account of each that is set aside.

Chunks are the items that processes share out among them, so they hold little: at most ROWS rows, and no more
than BYTES beyond one row.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, TypeVar

from truing.core.files import json_line
from truing.core.messages import Sentence, message
from truing.core.records import Record
from truing.data.read import settle
from truing.data.rows import RawRow, RowError
from truing.data.unranked import find_with_unranked

T = TypeVar("T")

SAMPLE = 1000  # rows looked at to detect a format; fewer where they are huge
SAMPLED = 128 << 20  # bytes of them, beyond one row
ROWS = 512
BYTES = 1 << 20


@dataclass(frozen=True)
class Chunk:
    """Rows of one source that stand side by side."""

    rows: list[RawRow]
    format: str | None  # its name; None where no row of the source could be read
    source: int  # index of the source among all
    first: int  # number of the first row in the source, from 1
    settled: bool = False  # whether the values of the rows are as they were meant
    spoken: bool = False  # whether a hash of the records is wanted

    @property
    def bytes(self) -> int:
        """Count the bytes of its rows."""
        return sum(len(row.raw) + 1 for row in self.rows)


@dataclass
class ReadChunk(Generic[T]):
    """The account of a chunk, and what was made of its records."""

    made: T
    kept: int
    size: int  # of all its rows, in bytes
    set_aside: Counter[str] = field(default_factory=Counter)  # by code
    problems: list[Sentence] = field(default_factory=list)
    bad: list[tuple[bytes, bytes]] = field(default_factory=list)  # each row set aside, and its reason
    unread: tuple[str, ...] = ()  # columns of kept rows that nothing was read from
    spoken: bytes = b""  # the text of the records, where it was asked for


def first_rows(rows: Iterator[RawRow]) -> Iterator[RawRow]:
    """Yield the rows that tell a format."""
    size = 0
    for row in islice(rows, SAMPLE):
        yield row
        size += len(row.raw)
        if size >= SAMPLED:
            return


def cut(rows: Iterable[RawRow], chunk: Callable[[list[RawRow], int], Chunk], first: int) -> Iterator[Chunk]:
    """Yield rows in chunks; `chunk` gets some rows and the number of the first, which begins at `first`."""
    waiting: list[RawRow] = []
    size = 0
    for row in rows:
        waiting.append(row)
        size += len(row.raw)
        if len(waiting) == ROWS or size >= BYTES:
            yield chunk(waiting, first)
            first, waiting, size = first + len(waiting), [], 0
    if waiting:
        yield chunk(waiting, first)


def read_chunk(work: Callable[[list[Record]], T], chunk: Chunk) -> ReadChunk[T]:
    """Read the rows of a chunk in its format, and return what `work` makes of the good ones."""
    form = find_with_unranked(chunk.format) if chunk.format else None
    found = ReadChunk[list[Record]]([], 0, chunk.bytes)
    for number, given in enumerate(chunk.rows, start=chunk.first):
        row = given if chunk.settled else settle(given)
        try:
            if row.value is None or form is None:
                raise row.error or RowError(
                    "no-format", message("the first {n} rows are all damaged", n=SAMPLE)
                )
            where = {"place": row.place, "source": chunk.source, "number": number}
            found.made.append(form.read(row.value, **where))
        except RowError as error:
            _set_aside(found, row, error)
    if chunk.spoken:
        found.spoken = b"".join(repr(one).encode("utf-8", "surrogatepass") for one in found.made)
    return ReadChunk(
        work(found.made),
        kept=len(found.made),
        size=found.size,
        set_aside=found.set_aside,
        problems=found.problems,
        bad=found.bad,
        unread=tuple(dict.fromkeys(key for record in found.made for key in record.unread)),
        spoken=found.spoken,
    )


def _set_aside(found: ReadChunk[list[Record]], row: RawRow, error: RowError) -> None:
    found.set_aside[error.code] += 1
    said = message("{place}: {code}: {what}", place=row.place, code=error.code, what=error.message)
    found.problems.append(said)
    reason = {"place": row.place, "code": error.code, "message": error.message, "bytes": len(row.raw)}
    found.bad.append((row.raw + b"\n", json_line(reason)))
