"""A project in SQLite and the same in a PostgreSQL server that is started once, as a user other than root."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from truing.core.records import user
from truing.store.answers import PairAnswer, VoteAnswer
from truing.store.items import Candidate, ItemPurpose, NewItem
from truing.store.people import Person, PersonRole
from truing.store.project import ProjectStore, open_store
from truing.store.settings import ProjectSettings
from truing.store.votes import NewVote, SavedVote

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
SCHEMAS = count()
MakeStore = Callable[..., ProjectStore]


def server_account() -> dict[str, str]:
    """Return the account that the server runs as, for `subprocess.run`; PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name for entry in pwd.getpwall()}
    return {"user": "postgres" if "postgres" in known else "nobody"}


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a server with an empty database, as `postgresql://…`."""
    found = shutil.which("initdb") or (str(BINARIES[-1]) if BINARIES else None)
    if found is None:
        pytest.skip("no initdb of PostgreSQL here or in /usr/lib/postgresql: apt-get install postgresql")
    binaries, account = Path(found).parent, server_account()
    folder = Path(tempfile.mkdtemp(prefix="truing-postgres-", dir="/tmp"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    if account:
        shutil.chown(folder, account["user"])
    data, control = folder / "data", binaries / "pg_ctl"
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
    try:
        made = [binaries / "initdb", "-D", data, "-U", "truing", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL, cwd=folder, **account)
        log = str(folder / "log")
        started = [control, "-D", data, "-l", log, "-w", "-o", options, "start"]
        subprocess.run(started, check=True, stdout=subprocess.DEVNULL, cwd=folder, **account)
        yield f"postgresql://truing@127.0.0.1:{port}/postgres"
    finally:
        if data.exists():
            stopped = [control, "-D", data, "-m", "immediate", "stop"]
            subprocess.run(stopped, stdout=subprocess.DEVNULL, cwd=folder, **account)
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An address at which nothing is yet, in each kind of database."""
    if request.param == "sqlite":
        return str(tmp_path / "project.db")
    server = request.getfixturevalue("postgres_server")
    schema = f"project_{next(SCHEMAS)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return f"{server}?options=-csearch_path%3D{schema}"


@pytest.fixture
def make_store(place: str) -> Iterator[MakeStore]:
    """Open the project at `place` with the settings given by name."""
    opened: list[ProjectStore] = []

    def make(**settings: object) -> ProjectStore:
        opened.append(open_store(place, ProjectSettings.model_validate(settings)))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


def pair(number: int, **fields: object) -> NewItem:
    candidates = (Candidate(f"one {number}", "A"), Candidate(f"two {number}", "B"))
    return NewItem(user(f"question {number}"), candidates, **fields)  # pyright: ignore[reportArgumentType]


def known(number: int, purpose: ItemPurpose, choice: str = "first") -> NewItem:
    return pair(number, purpose=purpose, gold=PairAnswer(choice))  # pyright: ignore[reportArgumentType]


def come(store: ProjectStore, name: str, role: PersonRole = PersonRole.ANNOTATOR) -> Person:
    return store.claim(store.invite(role)[0], name)


def vote(
    store: ProjectStore, person: Person, item: int, choice: str | VoteAnswer = "first", **fields: object
) -> SavedVote:
    answer = PairAnswer(choice) if isinstance(choice, str) else choice  # pyright: ignore[reportArgumentType]
    fields = {"client_key": uuid4().hex, **fields}
    return store.save(NewVote(person.id, item, answer, **fields))  # pyright: ignore[reportArgumentType]


def vote_through(store: ProjectStore, person: Person, most: int, choice: str = "first") -> list[int]:
    """Let a person vote on up to `most` items one after the other, and return the items' numbers."""
    seen: list[int] = []
    while len(seen) < most and (found := store.next_items(person.id, 1)):
        vote(store, person, found[0].item.id, choice, look=found[0].look)
        seen.append(found[0].item.id)
    return seen
