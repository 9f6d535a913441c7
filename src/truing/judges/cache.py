"""Answers kept on disk, so that no question is asked twice, in one run or in the next.

One SQLite file maps a hash of everything that decides an answer to the answer. An answer is on disk when
`put` returns. Every call opens the file anew, so threads and processes may share it.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truing.core.errors import StorageError

ANSWERS = "judge.sqlite"  # in the folder of a run or an evaluation, where nothing else is asked for
PATIENCE = 30.0  # seconds to wait for another writer


def key_of(request: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a request, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class AnswerCache:
    """The answers in the file at `path`, which the first use creates. Raises StorageError."""

    path: Path

    def get(self, key: str) -> str | None:
        with self._open() as database:
            row = database.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def put(self, key: str, answer: str) -> None:
        with self._open() as database:
            database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, answer))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the file, and commit all changes to it as a whole."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=PATIENCE)) as database, database:
                database.execute(
                    "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL)"
                )
                yield database
        except (sqlite3.Error, OSError) as error:
            raise StorageError(
                f"the cache of answers {self.path} cannot be used: {error}",
                hint="free the disk, or name another file; answers in a file that is whole are kept",
            ) from error
