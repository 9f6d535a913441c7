"""Work in shards: one of n processes does every n-th item, and a merge puts the rows together again.

    shard = Shard.read("2/8")                        items 1, 9, 17 … of all, counted from 0
    with ShardFile(shard, output, total, request) as file:
        for items in file.left(32):
            file.add(items, rows)                    rows of these items, each with its item
    merge(files, output)                             the rows in the order of the items

A shard is `samples-00002-of-00008.jsonl`, with a note beside it of what was asked and how far it is. A shard
that was stopped goes on behind the last rows that its note counts, so every item has its rows exactly once.
The merge refuses shards that are missing, doubled, unfinished, changed, or of another request.
"""

import heapq
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from truing.core import locks
from truing.core.errors import DataError, StorageError, UsageError
from truing.core.files import cannot_write, json_line, sha256_file, write_atomic, write_parts
from truing.core.messages import message
from truing.core.records import Record
from truing.core.workers import useful_workers
from truing.data.load import MANY, BadRows, SourceReport, bytes_of, each_record, work_through

ITEM = "item"  # the key of a row's item, until the merge
NOTE = ".shard.json"
BLOCK = 65536  # bytes of a shard that a merge holds, and the line that ends there


@dataclass(frozen=True)
class Shard:
    """One of `of` shards; `number` counts from 1."""

    number: int
    of: int

    @classmethod
    def read(cls, text: str) -> "Shard":
        """Read `2/8`. Raises UsageError for anything else."""
        found = re.fullmatch(r"(\d{1,5})/(\d{1,5})", text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise UsageError(
                message("--shard {given}: expected a number and how many there are, such as 2/8", given=text),
                hint=message("shards count from 1: sbatch --array=1-8, --shard $SLURM_ARRAY_TASK_ID/8"),
            )
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of_all(cls, text: str | None) -> "Shard":
        """Read a shard as `read` does; without one, return that of all items."""
        return cls(1, 1) if text is None else cls.read(text)

    def items_of(self, total: int) -> range:
        """Return its items among `total`."""
        return range(self.number - 1, total, self.of)

    def within(self, rank: int, size: int) -> "Shard":
        """Return the part of one of `size` ranks, which divide this shard as shards divide all items."""
        return Shard(self.number + rank * self.of, self.of * size)

    def path_of(self, output: Path) -> Path:
        """Return its file, beside `output`."""
        return output.with_name(f"{output.stem}-{self.number:05}-of-{self.of:05}{output.suffix}")

    def pattern(self, output: Path) -> Path:
        """Return a pattern of the files of all shards."""
        return output.with_name(f"{output.stem}-*-of-{self.of:05}{output.suffix}")


@dataclass(frozen=True)
class Items:
    """The `wanted` records of files, counted from 0 in their order, and read again when they are needed."""

    paths: Sequence[str]
    wanted: Callable[[Record], bool]
    format: str | None
    total: int
    sources: list[SourceReport]  # the account of each file

    @classmethod
    def count(
        cls,
        paths: Sequence[str],
        wanted: Callable[[Record], bool],
        *,
        format: str | None = None,
        bad_rows: BadRows = "stop",
    ) -> "Items":
        """Read files through, and hold a few records at a time. Raises as `load_records` does."""
        counts: list[int] = []
        workers = useful_workers() if bytes_of(paths) > MANY else 1
        how = {"format": format, "bad_rows": bad_rows, "workers": workers}
        sources, _ = work_through(paths, lambda some: sum(map(wanted, some)), counts.append, **how)
        return cls(paths, wanted, format, sum(counts), sources)

    def of(self, shard: Shard, done: int = 0) -> Iterator[tuple[int, Record]]:
        """Yield the items of a shard behind the first `done`, one after another.

        Raises DataError where the files have fewer of them than when they were counted.
        """
        wanted = shard.items_of(self.total)[done:]
        items = enumerate(filter(self.wanted, each_record(self.paths, format=self.format)))
        found = ((item, record) for item, record in items if item in wanted)
        for item in wanted:
            pair = next(found, None)
            if pair is None:
                said = message("{paths} has lost rows while it was read", paths=", ".join(self.paths))
                raise DataError(said, hint=message("put the rows back, and run the same command"))
            assert pair[0] == item
            yield pair


class ShardFile:
    """The file of one shard while it is written; `request` is all that its rows follow from."""

    def __init__(self, shard: Shard, output: Path, total: int, request: Mapping[str, Any]) -> None:
        self.shard, self.path = shard, shard.path_of(output)
        self._note = note_of(self.path)
        self._items = shard.items_of(total)
        self._state: dict[str, Any] = {"shard": shard.number, "of": shard.of, "items": total}
        self._state |= {"request": json.loads(json.dumps(request)), "done": 0, "rows": 0, "bytes": 0}

    @property
    def done(self) -> int:
        """Count its items whose rows are written."""
        return self._state["done"]

    @property
    def rows(self) -> int:
        return self._state["rows"]

    def __len__(self) -> int:
        return len(self._items)

    def __enter__(self) -> Self:
        """Open the file behind the rows of an earlier start. Raises UsageError for those of other work."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab+", buffering=0)
        except OSError as error:
            raise cannot_write(self.path, 0, error) from error
        try:
            if not locks.try_hold(self._file.fileno()):
                raise UsageError(
                    message("{path} is being written by another process", path=self.path),
                    hint=message("wait for it, or give each process a shard of its own"),
                )
            self._go_on()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _go_on(self) -> None:
        if self._note.exists():
            before = read_note(self.path)
            differs = [
                key for key in ("shard", "of", "items", "request") if before.get(key) != self._state[key]
            ]
            if differs:
                raise UsageError(
                    message("{path} was begun with another request", path=self.path),
                    hint=message("choose another output, or remove {path}", path=self.path),
                )
            self._state = before
        if os.fstat(self._file.fileno()).st_size < self._state["bytes"]:
            raise StorageError(
                message("{path} is shorter than its note says", path=self.path),
                hint=message("remove {path} and its note: the shard begins again", path=self.path),
            )
        if "sha256" in self._state:
            _require_unchanged(self.path, self._state)
            return
        self._file.truncate(self._state["bytes"])
        self._tell()

    def left(self, most: int) -> Iterator[list[int]]:
        """Yield the items that have no rows yet, at most `most` at a time."""
        while self.done < len(self):
            yield list(self._items[self.done : self.done + most])

    def add(self, items: Sequence[int], rows: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
        """Write the rows of the next items, each with its item; they are on disk when this returns."""
        assert list(items) == list(self._items[self.done : self.done + len(items)])
        lines = [json_line({ITEM: item, **row}) for item, row in rows]
        content = b"".join(lines)
        unwritten = memoryview(content)
        try:
            while unwritten:  # a full disk takes a part, and refuses the next
                unwritten = unwritten[self._file.write(unwritten) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise cannot_write(self.path, len(content), error) from error
        self._state["done"] += len(items)
        self._state["rows"] += len(lines)
        self._state["bytes"] += len(content)
        self._tell()

    def _tell(self) -> None:
        """Write the note; that of a finished shard has the hash of its file."""
        if self.done == len(self):
            self._state["sha256"] = sha256_file(self.path)
        write_atomic(self._note, json.dumps(self._state, ensure_ascii=False, indent=1) + "\n")


def note_of(path: Path) -> Path:
    """Return the note beside a shard."""
    return path.with_name(path.name + NOTE)


def remove(path: Path) -> None:
    """Remove a shard and its note, the note first: a shard without a note begins again."""
    note_of(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def read_note(path: Path) -> dict[str, Any]:
    """Return what the note of a shard says. Raises DataError where there is none."""
    try:
        found = json.loads(note_of(path).read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(
            message("{path} has no note {note} beside it", path=path, note=note_of(path).name),
            hint=message("copy both files of each shard, as --shard wrote them"),
        ) from error
    return found


def merge(paths: Sequence[Path], output: Path) -> int:
    """Write the rows of all shards in the order of their items and return their number.

    Raises DataError, which names the shards that are missing, doubled, unfinished or changed.
    """
    notes = {path: read_note(path) for path in paths}
    _require_one_request(notes)
    _require_each_once(notes)
    for path, note in notes.items():
        items = len(Shard(note["shard"], note["of"]).items_of(note["items"]))
        if note["done"] < items:
            said = message("{path} is not finished: {n} of {of} items", path=path, n=note["done"], of=items)
            raise DataError(said, hint=message("run its command again: it goes on from there"))
        _require_unchanged(path, note)
    rows = heapq.merge(*map(_rows, notes), key=lambda row: row[ITEM])
    write_parts(output, (json_line({k: v for k, v in row.items() if k != ITEM}) for row in rows))
    return sum(note["rows"] for note in notes.values())


def _require_unchanged(path: Path, note: Mapping[str, Any]) -> None:
    if not path.is_file() or sha256_file(path) != note["sha256"]:
        said = message("{path} has another content than was written", path=path)
        raise DataError(said, hint=message("copy it again, or remove it with its note and run its command"))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a shard; the file is open only while a block is read, as there may be thousands."""
    at = 0
    while True:
        with path.open("rb") as file:
            file.seek(at)
            lines = file.readlines(BLOCK)
            at = file.tell()
        if not lines:
            return
        yield from map(json.loads, lines)


def _require_one_request(notes: Mapping[Path, Mapping[str, Any]]) -> None:
    (first, told), *others = notes.items()
    for path, note in others:
        if any(note.get(key) != told.get(key) for key in ("of", "items", "request")):
            said = "{first} and {path} are shards of different work"
            raise DataError(
                message(said, first=first, path=path),
                hint=message("their notes say what was asked: merge the shards of one request"),
            )


def _require_each_once(notes: Mapping[Path, Mapping[str, Any]]) -> None:
    by_number: dict[int, list[str]] = {}
    for path, note in notes.items():
        by_number.setdefault(note["shard"], []).append(str(path))
    (of,) = {note["of"] for note in notes.values()}
    for number, paths in by_number.items():
        if len(paths) > 1:
            said = message(
                "shard {n} of {of} is given twice: {paths}", n=number, of=of, paths=", ".join(paths)
            )
            raise DataError(said, hint=message("name one file of each shard"))
    missing = [str(number) for number in range(1, of + 1) if number not in by_number]
    if missing:
        said = message("of {of} shards these are missing: {missing}", of=of, missing=", ".join(missing))
        raise DataError(said, hint=message("run their commands, or name their files too"))
