"""One database, SQLite or PostgreSQL: its engine, its transactions, and its errors in words."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from truing.core.errors import StorageError, UsageError
from truing.core.messages import message

PATIENCE = 30.0  # seconds to wait for another writer
CONNECTIONS = 20
SERVERS = ("postgresql", "postgres")
# Keeps other processes from drawing until the transaction ends; the number is the name of this lock.
_LOCK_DRAWS = text("SELECT pg_advisory_xact_lock(7310017)")


def url_of(where: str) -> URL:
    """Return the address of a database: a file of SQLite, or a server of PostgreSQL. Raises UsageError."""
    if "://" not in where:
        return URL.create("sqlite", database=str(Path(where)))
    try:
        given = make_url(where)
    except ArgumentError as error:
        raise UsageError(message("{given} is not an address of a database", given=where)) from error
    kind = given.drivername.partition("+")[0]
    if kind in SERVERS:
        return given.set(drivername="postgresql+psycopg")
    raise UsageError(
        message("a database of kind {kind} is unknown", kind=kind),
        hint=message("give a file, such as project.db, or postgresql://USER@HOST/NAME"),
    )


class Database:
    """Transactions on one database. Threads share it; every error of the database becomes a StorageError."""

    def __init__(self, where: str) -> None:
        url = url_of(where)
        self.place = url.database or where if url.drivername == "sqlite" else url.render_as_string()
        self.is_file = url.drivername == "sqlite"
        self._engine = _file_engine(url) if self.is_file else _server_engine(url)
        of_server = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._reader = self._engine.execution_options(**({} if self.is_file else of_server))
        # Threads queue here rather than poll the file, or wait for a server's lock with a connection in hand.
        self._queue = threading.Lock()

    def tables_of_file(self) -> set[str]:
        """Return the names of the tables in the file, of which no byte changes."""
        path = Path(self.place)
        # Of a file with a log beside it the log has to be read; without one no file is made beside it.
        how = "mode=ro" if path.with_name(path.name + "-wal").exists() else "mode=ro&immutable=1"
        where = f"{path.absolute().as_uri()}?{how}"
        looking = create_engine(
            "sqlite://", creator=lambda: sqlite3.connect(where, uri=True), poolclass=NullPool
        )
        with self._explained(), looking.connect() as connection:
            return set(inspect(connection).get_table_names())

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that sees one state of the database, and writes nothing."""
        with self._explained(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that is on disk when it ends without an error."""
        if not self.is_file:
            with self._explained(), self._engine.begin() as connection:
                yield connection
            return
        with (
            self._queue,
            self._explained(),
            self._engine.execution_options(writes=True).begin() as connection,
        ):
            yield connection

    @contextmanager
    def drawing(self) -> Iterator[Connection]:
        """Open a transaction for writing while nobody else draws items."""
        if self.is_file:
            with self.writing() as connection:
                yield connection
            return
        with self._queue, self.writing() as connection:
            connection.execute(_LOCK_DRAWS)
            yield connection

    def close(self) -> None:
        """Close all connections; the next transaction opens new ones."""
        self._engine.dispose()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, PoolTimeoutError) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise StorageError(
                message("the project {place} cannot be used: {error}", place=self.place, error=cause),
                hint=self._hint(),
            ) from error

    def _hint(self) -> str:
        if self.is_file:
            return message(
                "name a file that truing made, in a folder where you may write and the disk has room"
            )
        return message(
            "check that the server runs and that its database, your name and your password are right"
        )


def _file_engine(url: URL) -> Engine:
    engine = create_engine(
        url,
        connect_args={"timeout": PATIENCE, "check_same_thread": False},
        pool_size=CONNECTIONS,
        max_overflow=-1,
    )

    @event.listens_for(engine, "connect")
    def opened(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # begun below: the driver would begin only before the first write
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _server_engine(url: URL) -> Engine:
    return create_engine(
        url, pool_size=CONNECTIONS, max_overflow=CONNECTIONS, pool_timeout=PATIENCE, pool_pre_ping=True
    )
