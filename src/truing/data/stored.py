"""Rows on disk: trees and their records in one Arrow file, which is mapped into memory and read by index.

    write    `RowsWriter.add` takes the table of some trees, `RowsWriter.close` ends the file
    read     `trees`, `records` and `places` of `StoredRows` are sequences

The library `datasets` writes and opens the file; it is imported where one is written or opened. A tree is
read when it is asked for, as the lists that rows in memory have. Pages of the file that have been read are
given back to the system after RELEASE rows: a process then does not grow by what the system caches.
"""

import json
import mmap
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from heapq import nlargest
from itertools import accumulate, chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import numpy as np

from truing.core.records import Message, Record, Response, RubricItem
from truing.data.trees import Branch, Tree

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

_TEXT = json.JSONEncoder(ensure_ascii=False)
BATCH = 256  # rows of one batch of the file
RELEASE = 256  # rows read between two releases of the file's pages


def table_of(trees: Sequence[Tree], records: Sequence[Record]) -> "pa.Table":
    """Return trees and their records as the table that lies in the file."""
    import pyarrow as pa

    sizes = [[len(tree.prompt), *map(len, tree.branches)] for tree in trees]
    branches = [branch for tree in trees for branch in tree.branches]
    tokens = chain.from_iterable(
        side for tree in trees for side in (tree.prompt, *(one.tokens for one in tree.branches))
    )
    scored = chain.from_iterable(one.scored for one in branches)
    labels = chain.from_iterable(tree.labels for tree in trees)
    columns = {
        "tokens": _lists(tokens, map(sum, sizes), np.int32),
        "scored": _lists(scored, (sum(own) for _, *own in sizes), np.bool_),
        "sizes": _lists(chain.from_iterable(sizes), map(len, sizes), np.int32),
        "labels": _lists(labels, (len(tree.labels) for tree in trees), np.float64),
        "longest": pa.array([tree.longest for tree in trees], pa.int32()),
        "size": pa.array(list(map(len, trees)), pa.int32()),
        "label": pa.array([tree.labels[0] if tree.labels else 0.0 for tree in trees], pa.float64()),
        "place": pa.array([record.place for record in records], pa.string()),
        "source": pa.array([record.source for record in records], pa.int32()),
        "number": pa.array([record.number for record in records], pa.int64()),
        "turns": pa.array([turns_key(record) for record in records], pa.int64()),
        "record": pa.array([_text(record) for record in records], pa.string()),
    }
    return pa.table(columns)


def _lists(values: Iterable[Any], lengths: Iterable[int], kind: Any) -> "pa.Array":
    """Return lists that stand end to end in `values` as an array of lists."""
    import pyarrow as pa

    offsets = np.fromiter(accumulate(lengths, initial=0), np.int32)
    flat = np.fromiter(values, kind, count=int(offsets[-1]))
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat))


def turns_key(record: Record) -> int:
    """Return a number below 2**63 in size; records with equal turns have the same."""
    sides = (record.prompt, *(response.turns for response in record.responses))
    compared = [[(turn.role, turn.content, turn.extras, turn.scored) for turn in turns] for turns in sides]
    text = repr(compared).encode("utf-8", "surrogatepass")
    return int.from_bytes(sha256(text).digest()[:8], "big", signed=True)


class RowsWriter:
    """A writer of one file, in batches of BATCH rows."""

    def __init__(self, path: Path) -> None:
        from datasets.arrow_writer import ArrowWriter

        self._writer = ArrowWriter(schema=table_of([], []).schema, path=str(path), writer_batch_size=BATCH)

    def add(self, table: "pa.Table") -> None:
        self._writer.write_table(table, BATCH)

    def close(self) -> None:
        self._writer.finalize()


class StoredRows:
    """The rows of one file."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        from datasets import table

        self.path = path
        with path.open("rb") as file:
            self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._batches = table.InMemoryTable.from_buffer(pa.py_buffer(self._mapped)).table.to_batches()
        self._ends = list(accumulate(map(len, self._batches)))
        self._read = 0
        self._release()

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def row(self, index: int) -> dict[str, Any]:
        """Return one row, each column as an Arrow scalar."""
        self._read += 1
        if self._read >= RELEASE:
            self._release()
        at = bisect_right(self._ends, index)
        batch = self._batches[at]
        place = index - self._ends[at] + len(batch)
        return {name: batch.column(name)[place] for name in batch.schema.names}

    def rows(self, rising: np.ndarray | None = None) -> Iterator[dict[str, Any]]:
        """Yield all rows in order, or those of some rising indices, as `row` returns them."""
        start = 0
        for batch in self._batches:
            after, names = start + len(batch), batch.schema.names
            if rising is None:
                places: Iterable[int] = range(len(batch))
            else:
                places = (rising[slice(*np.searchsorted(rising, (start, after)))] - start).tolist()
            columns = [batch.column(name) for name in names]
            for place in places:
                yield {name: column[place] for name, column in zip(names, columns, strict=True)}
            self._release()
            start = after

    def column(self, name: str) -> np.ndarray:
        """Return the numbers of one column."""
        found = [batch.column(name).to_numpy().copy() for batch in self._batches]
        self._release()
        return np.concatenate(found)

    def _release(self) -> None:
        self._read = 0
        if hasattr(self._mapped, "madvise"):
            self._mapped.madvise(mmap.MADV_DONTNEED)

    @property
    def trees(self) -> "Stored[Tree]":
        return Stored(self, _tree)

    @property
    def records(self) -> "Stored[Record]":
        """The records of the trees, without the columns that nothing was read from."""
        return Stored(self, _record)

    @property
    def places(self) -> "Stored[str]":
        return Stored(self, lambda row: row["place"].as_py())


class Stored(Sequence[T], Generic[T]):
    """A sequence of what `read` makes of rows on disk: all of them, or those of some indices."""

    def __init__(
        self, rows: StoredRows, read: Callable[[dict[str, Any]], T], chosen: np.ndarray | None = None
    ) -> None:
        self.rows, self._read = rows, read
        self.chosen = chosen  # indices of rows, in the order of the items; None for all rows

    def __len__(self) -> int:
        return len(self.rows) if self.chosen is None else len(self.chosen)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        places = range(len(self))[index]
        if isinstance(places, range):
            return [self[place] for place in places]
        return self._read(self.rows.row(places if self.chosen is None else int(self.chosen[places])))

    def __iter__(self) -> Iterator[T]:
        if self.chosen is None or bool((np.diff(self.chosen) > 0).all()):
            return map(self._read, self.rows.rows(self.chosen))
        return (self[place] for place in range(len(self)))

    def pick(self, places: np.ndarray) -> "Stored[T]":
        """Return the items at some places."""
        return Stored(self.rows, self._read, places if self.chosen is None else self.chosen[places])

    def numbers(self, name: str) -> np.ndarray:
        """Return the numbers of a column of the file, one for each item."""
        found = self.rows.column(name)
        return found if self.chosen is None else found[self.chosen]


def pick(items: Sequence[T], places: np.ndarray) -> Sequence[T]:
    """Return the items at some places: on disk where they lie there, else a list."""
    return items.pick(places) if isinstance(items, Stored) else [items[place] for place in places.tolist()]


class EndToEnd(Sequence[T], Generic[T]):
    """Two sequences as one."""

    def __init__(self, first: Sequence[T], second: Sequence[T]) -> None:
        self._first, self._second = first, second

    def __len__(self) -> int:
        return len(self._first) + len(self._second)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        places, cut = range(len(self))[index], len(self._first)
        if isinstance(places, range):
            return [self[place] for place in places]
        return self._first[places] if places < cut else self._second[places - cut]


def end_to_end(first: Sequence[T], second: Sequence[T]) -> Sequence[T]:
    """Return the items of both: a list where both are lists."""
    if isinstance(first, list) and isinstance(second, list):
        return first + second
    return EndToEnd(first, second)


def longest_of(trees: Sequence[Tree]) -> int:
    """Return the most tokens from the root to a leaf of any tree; 0 without a tree."""
    if isinstance(trees, Stored):
        return int(trees.numbers("longest").max(initial=0))
    return max((tree.longest for tree in trees), default=0)


def largest(trees: Sequence[Tree], most: int) -> list[Tree]:
    """Return the trees of the most tokens, at most `most`, the largest first."""
    if not isinstance(trees, Stored):
        return nlargest(most, trees, key=len)
    order = np.argsort(-trees.numbers("size"), kind="stable")[:most]
    return [trees[place] for place in order.tolist()]


def first_labels(trees: Sequence[Tree]) -> np.ndarray:
    """Return the label of the first branch of each tree, [trees] f64; 0 for a tree without labels."""
    if isinstance(trees, Stored):
        return trees.numbers("label")
    return np.array([tree.labels[0] if tree.labels else 0.0 for tree in trees])


def _tree(row: dict[str, Any]) -> Tree:
    tokens, scored, sizes = (_values(row[name]) for name in ("tokens", "scored", "sizes"))
    prompt, *lengths = sizes
    branches, at = [], 0
    for length in lengths:
        after = at + length
        branches.append(Branch(tokens[prompt + at : prompt + after], scored[at:after]))
        at = after
    return Tree(tokens[:prompt], tuple(branches), tuple(_values(row["labels"])))


def _values(scalar: Any) -> list[Any]:
    return scalar.values.to_numpy(zero_copy_only=False).tolist()


def _text(record: Record) -> str:
    """Write a record, but for the columns of its row and the place, as JSON."""
    return _TEXT.encode(
        [
            [_turn(turn) for turn in record.prompt],
            [
                [[_turn(turn) for turn in one.turns], one.rank, one.score, one.label, one.source]
                for one in record.responses
            ],
            [record.margin, record.category, record.given, record.probability, list(record.unread)],
            [[item.text, item.weight, item.must] for item in record.rubric],
        ]
    )


def _turn(turn: Message) -> list[Any]:
    return [turn.role, turn.content, turn.extras, turn.scored, turn.unread]


def _record(row: dict[str, Any]) -> Record:
    prompt, responses, (margin, category, given, probability, unread), rubric = json.loads(
        row["record"].as_py()
    )
    return Record(
        tuple(Message(*turn) for turn in prompt),
        tuple(Response(tuple(Message(*turn) for turn in turns), *rest) for turns, *rest in responses),
        margin=margin,
        category=category,
        place=row["place"].as_py(),
        given=given,
        probability=probability,
        rubric=tuple(RubricItem(*item) for item in rubric),
        source=row["source"].as_py(),
        number=row["number"].as_py(),
        unread=tuple(unread),
    )
