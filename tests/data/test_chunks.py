"""Chunks of rows: small, complete, and fit to go to another process."""

import pickle
from functools import partial

import pytest

from truing.core.messages import message
from truing.data import chunks
from truing.data.chunks import Chunk, cut, read_chunk
from truing.data.refusals import Refusal, RefusedRowError, TurnsError
from truing.data.rows import RawRow, RowError, raw_row

GOOD = b'{"prompt": "p", "completion": "c", "beside": 1}'


def rows(*lines: bytes) -> list[RawRow]:
    return [raw_row("a.jsonl", number, line) for number, line in enumerate(lines, start=1)]


def test_rows_are_cut_by_number_and_by_bytes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chunks, "ROWS", 3)
    monkeypatch.setattr(chunks, "BYTES", 100)
    given = rows(*[b"{}"] * 4, b'{"a": "' + b"x" * 200 + b'"}', b"{}")
    found = list(cut(given, partial(lambda some, first: Chunk(some, None, 0, first)), 11))
    assert [(len(one.rows), one.first) for one in found] == [(3, 11), (2, 14), (1, 16)]
    assert [row for one in found for row in one.rows] == given


def test_every_row_is_kept_or_set_aside_and_knows_its_number():
    given = rows(GOOD, b"{broken", b'{"prompt": "", "completion": "c"}', GOOD)
    found = read_chunk(list, Chunk(given, "prompt-completion", source=2, first=8))
    assert [(one.id, one.place) for one in found.made] == [((2, 8), "a.jsonl:1"), ((2, 11), "a.jsonl:4")]
    assert found.kept == 2 and found.set_aside == {"broken-json": 1, "empty-prompt": 1}
    assert [row for row, _ in found.bad] == [given[1].raw + b"\n", given[2].raw + b"\n"]
    assert found.unread == ("beside",)
    assert found.size == sum(len(row.raw) + 1 for row in given)


def test_without_a_format_every_row_is_set_aside():
    found = read_chunk(len, Chunk(rows(GOOD, b"{"), None, 0, 1))
    assert found.made == 0 and found.set_aside == {"no-format": 1, "broken-json": 1}


def test_what_goes_to_another_process_comes_back_whole():
    error = RowError("bad-number", message("`{key}` is no number", key="score"))
    row = RawRow("a:1", 1, b"{", error=error)
    back = pickle.loads(pickle.dumps(row))
    assert (back.error.code, back.error.message) == ("bad-number", "`score` is no number")
    assert back.error.message.fields == {"key": "score"}, "it can still be told in Chinese"
    refused = RefusedRowError("a:1", "chat", TurnsError(Refusal.DROPS, "words"))
    again = pickle.loads(pickle.dumps(refused))
    assert (str(again), again.hint, again.reason) == (str(refused), refused.hint, refused.reason)
