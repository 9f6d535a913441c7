import shutil
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from truing.core.errors import StorageError, UsageError
from truing.store import migrations
from truing.store.answers import PairAnswer
from truing.store.people import PersonRole
from truing.store.project import ProjectStore, open_store
from truing.store.schema import VERSION
from truing.store.votes import NewVote

from .conftest import MakeStore, come, pair, vote_through


def version_of(path: Path) -> int:
    return sqlite3.connect(path).execute("SELECT version FROM truing_schema").fetchone()[0]


def test_a_new_project_has_the_newest_version(tmp_path: Path):
    open_store(tmp_path / "project.db").close()
    assert version_of(tmp_path / "project.db") == VERSION


def test_every_older_version_has_a_step():
    assert sorted(migrations.STEPS) == list(range(1, VERSION))


def test_an_older_project_is_brought_to_the_newest_version(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
):
    """A planted next version renames nothing and adds a column; what was stored is still there."""
    store = make_store()
    store.add_items(map(pair, range(3)))
    vote_through(store, come(store, "Ada"), 2)
    monkeypatch.setattr(migrations, "VERSION", VERSION + 2)
    steps = {
        VERSION: ("ALTER TABLE items ADD COLUMN topic TEXT", "UPDATE items SET topic = 'none'"),
        VERSION + 1: ("ALTER TABLE items ADD COLUMN colour TEXT",),
    }
    monkeypatch.setattr(migrations, "STEPS", steps)
    migrated = make_store()
    assert len(list(migrated.standing_votes())) == 2
    again = make_store()  # a second opening finds nothing to do: the column is there
    with again._database.reading() as connection:
        assert set(connection.scalars(text("SELECT topic FROM items"))) == {"none"}
        assert connection.scalar(text("SELECT version FROM truing_schema")) == VERSION + 2


OLDER = (  # what brings a project of today back to version 1
    "DROP TABLE returns",
    "DROP INDEX items_by_dispute",
    "DROP INDEX items_by_turn",
    "DROP INDEX items_by_crowd",
    "ALTER TABLE items DROP COLUMN disputed",
    "CREATE INDEX items_by_turn ON items (wanted, crowd, priority DESC, draw)",
    "UPDATE truing_schema SET version = 1",
)


def shape(store: ProjectStore) -> dict[str, object]:
    with store._database.reading() as connection:
        found = inspect(connection)
        return {
            table: (
                [(one["name"], one["nullable"]) for one in found.get_columns(table)],
                sorted((one["name"], tuple(one["column_names"])) for one in found.get_indexes(table)),
            )
            for table in found.get_table_names()
        }


def test_a_project_of_version_1_gets_the_tables_of_today_and_knows_its_disputes(make_store: MakeStore):
    store = make_store(overlap=2)
    store.add_items(map(pair, range(3)))
    ada, bo = come(store, "Ada", PersonRole.ADMIN), come(store, "Bo")
    vote_through(store, ada, 3)
    seen = vote_through(store, bo, 2, "second")
    [settled, open_] = store.disagreements()
    store.adjudicate(NewVote(ada.id, settled.item.id, PairAnswer("tie"), "settles"))
    now, items = shape(store), list(store.items())
    with store._database.writing() as connection:
        for statement in OLDER:
            connection.execute(text(statement))
    again = make_store()
    moved = {name: (sorted(columns), indexes) for name, (columns, indexes) in shape(again).items()}
    assert moved == {name: (sorted(columns), indexes) for name, (columns, indexes) in now.items()}
    assert list(again.items()) == items
    assert again.disagreements() == [open_] and again.count_disagreements() == 1
    assert len(again.disagreements(unsettled=False)) == 2
    assert again.claim(again.way_back("Bo"), "") == bo
    assert vote_through(again, bo, 2) == [item.id for item in items if item.id not in seen]


def test_a_step_that_fails_changes_nothing(make_store: MakeStore, monkeypatch: pytest.MonkeyPatch):
    store = make_store()
    monkeypatch.setattr(migrations, "VERSION", VERSION + 1)
    steps = {VERSION: ("ALTER TABLE items ADD COLUMN topic TEXT", "UPDATE nothing SET topic = 'none'")}
    monkeypatch.setattr(migrations, "STEPS", steps)
    with pytest.raises(StorageError, match="cannot be used"):
        make_store()
    monkeypatch.setattr(migrations, "VERSION", VERSION)
    make_store()
    with store._database.reading() as connection:
        assert "topic" not in {column["name"] for column in inspect(connection).get_columns("items")}


def test_a_newer_project_is_refused(tmp_path: Path):
    path = tmp_path / "project.db"
    open_store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE truing_schema SET version = 99")
    with pytest.raises(StorageError, match="version 99; this truing knows up to") as caught:
        open_store(path)
    assert "update truing" in caught.value.hint


def foreign(path: Path, journal: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA journal_mode = {journal}")
    connection.execute("CREATE TABLE answers (key TEXT)")
    connection.commit()
    return connection


@pytest.mark.parametrize("open_elsewhere", [False, True])
@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_a_database_of_something_else_stays_byte_for_byte(tmp_path: Path, journal: str, open_elsewhere: bool):
    path = tmp_path / "cache 1%.sqlite"
    connection = foreign(path, journal)
    if not open_elsewhere:
        connection.close()
    kept = {one.name: one.read_bytes() for one in tmp_path.iterdir() if not one.name.endswith("-shm")}
    with pytest.raises(StorageError, match="something else: answers"):
        open_store(path)
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir() if not one.name.endswith("-shm")} == kept
    connection.close()


def test_a_log_that_a_killed_process_left_stays_with_its_database(tmp_path: Path):
    connection = foreign(tmp_path / "living.sqlite", "WAL")
    for end in ("", "-wal"):
        shutil.copy(tmp_path / f"living.sqlite{end}", tmp_path / f"killed.sqlite{end}")
    connection.close()
    kept = [(tmp_path / f"killed.sqlite{end}").read_bytes() for end in ("", "-wal")]
    with pytest.raises(StorageError, match="something else: answers"):
        open_store(tmp_path / "killed.sqlite")
    assert [(tmp_path / f"killed.sqlite{end}").read_bytes() for end in ("", "-wal")] == kept


def test_a_file_without_tables_stays_empty_where_no_project_is_to_be_made(tmp_path: Path):
    path = tmp_path / "empty.db"
    path.touch()
    with pytest.raises(UsageError, match="no project"):
        open_store(path, create=False)
    assert path.read_bytes() == b""
    open_store(path).close()
    assert version_of(path) == VERSION
