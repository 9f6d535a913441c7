import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from truing.core.errors import StorageError, UsageError
from truing.store.database import CONNECTIONS, Database, url_of
from truing.store.people import PersonRole, add_person, list_people
from truing.store.project import open_store


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("project.db", "sqlite"),
        ("文件 夹/项目.db", "sqlite"),
        ("postgresql://me@host/name", "postgresql+psycopg"),
        ("postgres://me@host/name", "postgresql+psycopg"),
        ("postgresql+psycopg://me@host/name", "postgresql+psycopg"),
    ],
)
def test_an_address_names_its_kind(given: str, driver: str):
    assert url_of(given).drivername == driver


@pytest.mark.parametrize("given", ["mysql://host/name", "http://host", "://"])
def test_another_address_is_refused(given: str):
    with pytest.raises(UsageError):
        url_of(given)


def test_a_file_waits_for_the_disk_and_has_a_log(tmp_path: Path):
    database = Database(str(tmp_path / "project.db"))
    with database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    database.close()


def test_a_server_that_does_not_answer_is_an_error_without_the_password():
    with pytest.raises(StorageError, match="cannot be used") as caught:
        open_store("postgresql://me:secret@127.0.0.1:1/name")
    assert "secret" not in str(caught.value) + caught.value.hint
    assert "check that the server runs" in caught.value.hint


def test_a_file_of_something_else_is_an_error(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "q"}\n' * 200, encoding="utf-8")
    with pytest.raises(StorageError, match="not a database"):
        open_store(path)
    assert path.read_text(encoding="utf-8").startswith('{"prompt"')


def test_a_file_that_is_cut_is_an_error(tmp_path: Path):
    path = tmp_path / "project.db"
    open_store(path).close()
    sqlite3.connect(path).execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path.write_bytes(path.read_bytes()[:5000])
    for beside in ("-wal", "-shm"):
        path.with_name(path.name + beside).unlink(missing_ok=True)
    with pytest.raises(StorageError, match="cannot be used"), open_store(path) as store:
        list(store.items())


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path):
    tmp_path.chmod(0o555)
    with pytest.raises(StorageError, match="cannot be used"):
        open_store(tmp_path / "project.db")


def test_a_disk_that_refuses_is_an_error():
    with pytest.raises(StorageError, match="cannot be used"):
        open_store("/proc/project.db")


def test_a_reader_sees_one_state_and_writes_nothing(place: str):
    """Another connection commits between two reads of one transaction."""
    with open_store(place) as reader, open_store(place) as writer:
        with reader._database.reading() as connection:
            assert list_people(connection) == []
            ada = writer.add_person("Ada", PersonRole.ADMIN)
            assert list_people(connection) == []
        assert reader.people() == [ada]
        reader.add_person("Bo", PersonRole.ADMIN)  # the same pool writes afterwards
    if place.startswith("postgresql"):
        with pytest.raises(StorageError, match="read-only"), reader._database.reading() as connection:
            add_person(connection, "Cy", PersonRole.ADMIN)


def test_another_writer_is_waited_for(tmp_path: Path):
    path = tmp_path / "project.db"
    with open_store(path) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert store.people() == []  # readers do not wait
        other.execute("COMMIT")
        assert store.invite()
        other.close()


def test_those_who_wait_for_a_draw_leave_the_connections_to_others(postgres_server: str):
    database = Database(postgres_server)

    def draw() -> None:
        with database.drawing():
            pass

    with ThreadPoolExecutor(3 * CONNECTIONS) as pool:
        with database.drawing():
            waiting = [pool.submit(draw) for _ in range(3 * CONNECTIONS)]
            time.sleep(0.3)
            begun = time.monotonic()
            with database.writing() as connection:
                assert connection.exec_driver_sql("SELECT 1").scalar() == 1
            assert time.monotonic() - begun < 10, "the pool gives up after 30 s"
            assert not any(one.done() for one in waiting)
        for one in waiting:
            one.result()
    database.close()
