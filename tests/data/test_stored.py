"""An Arrow file of trees and records gives back what was written, by index and in order."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from truing.core.records import Message, Record, Response, RubricItem, reply, user
from truing.data import stored
from truing.data.stored import (
    EndToEnd,
    RowsWriter,
    StoredRows,
    end_to_end,
    first_labels,
    largest,
    longest_of,
    pick,
    table_of,
    turns_key,
)
from truing.data.trees import Branch, Tree

TREES = [
    Tree([5, 6], (Branch([1, 2, 3], [False, True, True]), Branch([4], [True])), (0.0, 0.25)),
    Tree([7], (Branch([8], [True]),)),
    Tree([1, 2, 3, 4, 5, 6], ()),
]
RECORDS = [
    Record(
        (Message("system", "s", unread='{"a": 1}'), Message("user", "你好\u2028")),
        (
            Response((Message("assistant", "a", '{"tool_calls": []}', scored=False),), 0, 1.5, True, "m"),
            reply("b", rank=1),
        ),
        margin=-0.5,
        category="c",
        place="a.jsonl:1",
        given='{"tools": []}',
        probability=0.75,
        rubric=(RubricItem("kind", 2.0, True),),
        source=1,
        number=9,
        unread=("x",),
    ),
    Record(user("q"), (reply("r"),), place="a.jsonl:2", number=10),
    Record(user("q"), place="b.jsonl:1", source=1, number=2**40),
]


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoredRows:
    monkeypatch.setattr(stored, "BATCH", 2)
    monkeypatch.setattr(stored, "RELEASE", 2)
    writer = RowsWriter(tmp_path / "rows.arrow")
    writer.add(table_of(TREES[:1], RECORDS[:1]))
    writer.add(table_of(TREES[1:], RECORDS[1:]))
    writer.close()
    return StoredRows(tmp_path / "rows.arrow")


def test_opening_a_file_copies_no_row(tmp_path: Path):
    long = replace(RECORDS[1], prompt=user("q" * 1_000_000))
    writer = RowsWriter(tmp_path / "rows.arrow")
    for _ in range(20):
        writer.add(table_of(TREES[1:2], [long]))
    writer.close()
    program = """
import sys, pathlib, pyarrow, truing.data.stored
truing.data.stored.StoredRows(pathlib.Path(sys.argv[1]))
print(pyarrow.default_memory_pool().max_memory())
"""
    command = [sys.executable, "-c", program, str(tmp_path / "rows.arrow")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1_000_000 < 20_000_000 < (tmp_path / "rows.arrow").stat().st_size


def test_trees_come_back_as_lists(rows: StoredRows):
    assert list(rows.trees) == TREES
    assert [rows.trees[i] for i in (2, 0, -2, 0)] == [TREES[2], TREES[0], TREES[1], TREES[0]]
    assert rows.trees[:2] == TREES[:2] and len(rows.trees) == 3
    assert type(rows.trees[0].prompt) is list and type(rows.trees[0].branches[0].scored[0]) is bool
    with pytest.raises(IndexError):
        rows.trees[3]


def test_records_come_back_with_all_but_their_columns(rows: StoredRows):
    assert list(rows.records) == RECORDS
    for found, given in zip(rows.records, RECORDS, strict=True):
        assert (found.id, found.unread) == (given.id, given.unread)
        assert [turn.unread for turn in found.prompt] == [turn.unread for turn in given.prompt]
    assert list(rows.places) == ["a.jsonl:1", "a.jsonl:2", "b.jsonl:1"]


def test_some_rows_are_picked_and_picked_again(rows: StoredRows):
    some = pick(rows.trees, np.array([2, 0, 1]))
    assert list(some) == [TREES[2], TREES[0], TREES[1]] and some[0] == TREES[2]
    assert list(pick(some, np.array([1]))) == TREES[:1]
    for rising in ([0, 2], [1, 2], [2], []):
        picked = pick(rows.trees, np.array(rising, np.int64))
        assert list(picked) == [picked[i] for i in range(len(rising))] == [TREES[i] for i in rising]
    assert pick(TREES, np.array([2, 0])) == [TREES[2], TREES[0]]


def test_lengths_and_labels_are_those_of_the_trees(rows: StoredRows):
    assert longest_of(rows.trees) == longest_of(TREES) == 6
    assert longest_of(pick(rows.trees, np.array([1]))) == 2
    assert longest_of([]) == longest_of(pick(rows.trees, np.array([], np.int64))) == 0
    assert largest(rows.trees, 2) == largest(TREES, 2) == [TREES[0], TREES[2]]
    assert largest(pick(rows.trees, np.array([2, 1])), 5) == [TREES[2], TREES[1]]
    assert largest([], 1) == []
    assert first_labels(rows.trees).tolist() == first_labels(TREES).tolist() == [0, 0, 0]


def test_equal_turns_have_one_key_wherever_they_stand(rows: StoredRows):
    assert rows.records.numbers("turns").tolist() == list(map(turns_key, RECORDS))
    moved = Record(user("q"), (reply("r"),), place="other:7", source=3)
    assert turns_key(moved) == turns_key(RECORDS[1]) != turns_key(RECORDS[2])
    beside = Record((Message("user", "q", unread='{"id": 7}'),), (reply("r"),))
    assert beside.prompt == moved.prompt and turns_key(beside) == turns_key(moved)


def test_two_sequences_are_one(rows: StoredRows):
    both = end_to_end(rows.places, ["c:1"])
    assert isinstance(both, EndToEnd)
    assert list(both) == [*rows.places, "c:1"] and both[3] == both[-1] == "c:1" and both[1:] == list(both)[1:]
    assert end_to_end([1], [2]) == [1, 2]
