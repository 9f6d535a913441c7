"""Answers kept on disk, so that no question is asked twice, in one run or in the next.

One SQLite file maps a hash of everything that decides an answer to the answer, and to a note on it. An answer
is on disk when `put` returns. Threads share the one connection; processes may share the file.
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
)


def key_of(request: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a request, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


class KeptAnswer(NamedTuple):
    """An answer as it is put: its key, its text, and a note of JSON that came with it, or ""."""

    key: str
    text: str
    note: str = ""


class AnswerCache:
    """The answers in the file at `path`, which the first use creates. Every method raises StorageError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None

    def get(self, key: str) -> str | None:
        return self._found("SELECT answer FROM answers WHERE key = ?", key)

    def note(self, key: str) -> str:
        return self._found("SELECT note FROM notes WHERE key = ?", key) or ""

    def put(self, key: str, answer: str) -> None:
        self.put_all([KeptAnswer(key, answer)])

    def put_all(self, answers: Sequence[KeptAnswer]) -> None:
        """Write several answers at the cost of one."""
        with self._using() as database, database:
            database.executemany(
                "INSERT OR REPLACE INTO answers VALUES (?, ?)", [(each.key, each.text) for each in answers]
            )
            database.executemany(
                "INSERT OR REPLACE INTO notes VALUES (?, ?)",
                [(each.key, each.note) for each in answers if each.note],
            )

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
