"""Versions of the tables: a new database gets the newest, an older one is brought to it step by step."""

from collections.abc import Callable, Set

from sqlalchemy import Connection, insert, inspect, select, text, update

from truing.core.errors import StorageError, UsageError
from truing.core.messages import message
from truing.store.schema import VERSION, metadata, schema_version
from truing.store.settling import mark_disputes

# What brings a database of a version to the next one, by the older version: statements, and functions for
# what SQL cannot say.
STEPS: dict[int, tuple[str | Callable[[Connection], None], ...]] = {
    1: (
        "ALTER TABLE items ADD COLUMN disputed INTEGER NOT NULL DEFAULT 0",
        "CREATE INDEX items_by_dispute ON items (disputed, id)",
        "DROP INDEX items_by_turn",
        "CREATE INDEX items_by_turn ON items (wanted, votes DESC, priority DESC, draw, crowd)",
        "CREATE INDEX items_by_crowd ON items (wanted, crowd, priority DESC, draw)",
        "CREATE TABLE returns (hash TEXT NOT NULL PRIMARY KEY,"
        " person_id INTEGER NOT NULL REFERENCES people (id), created DOUBLE PRECISION NOT NULL)",
        mark_disputes,
    ),
}


def prepare(connection: Connection, place: str, *, create: bool) -> None:
    """Create the tables, or bring them to the newest version.

    Raises StorageError for a database of something else and for one of a newer truing, and UsageError where
    no project is and none is to be made.
    """
    names = set(inspect(connection).get_table_names())
    others = names & set(metadata.tables) if connection.dialect.name == "postgresql" else names
    if holds_project(names, others, place, create=create):
        _migrate(connection, place)
        return
    metadata.create_all(connection)
    connection.execute(insert(schema_version).values(version=VERSION))


def holds_project(names: Set[str], others: Set[str], place: str, *, create: bool) -> bool:
    """Tell whether a place whose tables have these names holds a project.

    Raises StorageError where `others` stand in the way of one, and UsageError where none is to be made.
    """
    if schema_version.name in names:
        return True
    if others:
        said = message(
            "{place} holds tables of something else: {names}", place=place, names=", ".join(sorted(others))
        )
        raise StorageError(said, hint=message("name a project that truing made, or a place where nothing is"))
    if not create:
        raise no_project(place)
    return False


def no_project(place: object) -> UsageError:
    """Return the error of a place without a project."""
    return UsageError(
        message("there is no project at {place}", place=place),
        hint=message("truing annotate PROMPTS makes one"),
    )


def _migrate(connection: Connection, place: str) -> None:
    version = connection.scalar(select(schema_version.c.version))
    if version is None or version > VERSION:
        said = message(
            "{place} has tables of version {given}; this truing knows up to {known}",
            place=place,
            given=version,
            known=VERSION,
        )
        raise StorageError(said, hint=message("update truing on this machine"))
    for step in range(version, VERSION):
        for part in STEPS[step]:
            if isinstance(part, str):
                connection.execute(text(part))
            else:
                part(connection)
        connection.execute(update(schema_version).values(version=step + 1))
