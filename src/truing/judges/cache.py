"""Answers kept on disk, so that no question is asked twice, in one run or in the next.

One SQLite file maps a hash of everything that decides an answer to the answer, to a note on it, and to what
it took to get. An answer is on disk when `put` returns. Threads share the one connection; processes may share
the file. With `failures` the file also keeps why an answer gave no opinion, until the work is done
(`forget_failures`): a command that was killed asks those no more, and one that came to its end does.
"""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from truing.core.errors import StorageError

ANSWERS = "judge.sqlite"  # in the folder of a run or an evaluation, where nothing else is asked for
PATIENCE = 30.0  # seconds to wait for another writer
TABLES = (
    "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS notes (key TEXT PRIMARY KEY, note TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS spent (key TEXT PRIMARY KEY, spent TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS failures (key TEXT PRIMARY KEY, reason TEXT NOT NULL)",
)

PUT = {
    "answers": "INSERT OR REPLACE INTO answers VALUES (?, ?)",
    "notes": "INSERT OR REPLACE INTO notes VALUES (?, ?)",
    "spent": "INSERT OR REPLACE INTO spent VALUES (?, ?)",
    "failures": "INSERT OR REPLACE INTO failures VALUES (?, ?)",
}


def key_of(request: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a request, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


class KeptAnswer(NamedTuple):
    """An answer as it is put: its key, its text, and a note of JSON that came with it, or "".

    `text` is None where there is no answer, and `failure` then why, or "" where asking again may help.
    `spent` is JSON of all requests for it.
    """

    key: str
    text: str | None
    note: str = ""
    spent: str = ""
    failure: str = ""


class AnswerCache:
    """The answers in the file at `path`, which the first use creates. Every method raises StorageError."""

    def __init__(self, path: Path, failures: bool = False) -> None:
        self.path = path
        self.failures = failures
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None

    def get(self, key: str) -> str | None:
        return self._found("SELECT answer FROM answers WHERE key = ?", key)

    def note(self, key: str) -> str:
        return self._found("SELECT note FROM notes WHERE key = ?", key) or ""

    def spent(self, key: str) -> str:
        return self._found("SELECT spent FROM spent WHERE key = ?", key) or ""

    def failure(self, key: str) -> str:
        """Return why the answer to a question gave no opinion; "" for another question."""
        if not self.failures:
            return ""
        return self._found("SELECT reason FROM failures WHERE key = ?", key) or ""

    def forget_failures(self) -> None:
        """Let the next command ask again what gave no opinion. Without a file nothing is done."""
        if self.path.exists():
            with self._using() as database, database:
                database.execute("DELETE FROM failures")

    def put(self, key: str, answer: str) -> None:
        self.put_all([KeptAnswer(key, answer)])

    def put_all(self, answers: Sequence[KeptAnswer]) -> None:
        """Write several answers at the cost of one."""
        rows = {
            "answers": [(each.key, each.text) for each in answers if each.text is not None],
            "notes": [(each.key, each.note) for each in answers if each.note],
            "spent": [(each.key, each.spent) for each in answers if each.spent],
            "failures": [(each.key, each.failure) for each in answers if each.failure and self.failures],
        }
        with self._using() as database, database:
            for table, values in rows.items():
                database.executemany(PUT[table], values)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def _found(self, query: str, key: str) -> str | None:
        with self._using() as database:
            row = database.execute(query, (key,)).fetchone()
        return None if row is None else row[0]

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._database is None:
                    self._database = self._open()
                yield self._database
            except (sqlite3.Error, OSError) as error:
                raise StorageError(
                    f"the cache of answers {self.path} cannot be used: {error}",
                    hint="free the disk, or name another file; answers in a file that is whole are kept",
                ) from error

    def _open(self) -> sqlite3.Connection:
        """Open the file with a log beside it, so that a commit costs one write that is waited for."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self.path, timeout=PATIENCE, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            with database:
                for table in TABLES:
                    database.execute(table)
        except BaseException:
            database.close()
            raise
        return database
