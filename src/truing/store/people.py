"""People of a project: one-time invitations, sessions and roles. Of a secret only its SHA-256 is stored."""

import secrets
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from sqlalchemy import Connection, RowMapping, bindparam, delete, insert, select, update

from truing.core.errors import UsageError
from truing.core.messages import message
from truing.store.schema import invitations, people, returns, sessions

LONGEST_NAME = 100
WAY_BACK = 7 * 24 * 3600.0  # seconds for which a way back is open

_ALL_HELD = select(people.c.id).order_by(people.c.id).with_for_update(key_share=True)
_ONE_HELD = _ALL_HELD.where(people.c.id == bindparam("person"))


class PersonRole(StrEnum):
    """Annotators vote; adjudicators also settle disagreements; admins also see and change the project."""

    ANNOTATOR = "annotator"
    ADJUDICATOR = "adjudicator"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who votes in a project."""

    id: int
    name: str
    role: PersonRole


def _hashed(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def invite(connection: Connection, role: PersonRole, count: int) -> list[str]:
    """Make invitations that work once each, and return their tokens."""
    tokens = [secrets.token_urlsafe(24) for _ in range(count)]
    rows = [{"hash": _hashed(token), "role": role.value, "created": time.time()} for token in tokens]
    connection.execute(insert(invitations), rows)
    return tokens


def open_invitations(connection: Connection) -> dict[PersonRole, int]:
    """Return how many invitations of each role nobody has claimed."""
    unclaimed = list(connection.scalars(select(invitations.c.role).where(invitations.c.person_id.is_(None))))
    return {role: unclaimed.count(role.value) for role in PersonRole}


def claim(connection: Connection, token: str, name: str) -> Person:
    """Make the person of an invitation, or return the one whose way back it is, whatever the name.

    Raises UsageError for a token that is unknown or was used.
    """
    if (back := returning(connection, token)) is not None:
        used = delete(returns).where(returns.c.hash == _hashed(token)).returning(returns.c.person_id)
        if connection.scalar(used) is not None:  # and not by somebody else just now
            return back
    name = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())
    if not 0 < len(name) <= LONGEST_NAME:
        raise UsageError(
            message("a name of {n} characters: expected 1 to {most}", n=len(name), most=LONGEST_NAME)
        )
    found = (
        connection.execute(select(invitations).where(invitations.c.hash == _hashed(token)).with_for_update())
        .mappings()
        .first()
    )
    if found is None or found["person_id"] is not None:
        said = message("the invitation is unknown or was used")
        raise UsageError(said, hint=message("a link works once; whoever made it can make another"))
    person = add_person(connection, name, PersonRole(found["role"]))
    connection.execute(update(invitations).where(invitations.c.id == found["id"]).values(person_id=person.id))
    return person


def way_back(connection: Connection, name: str) -> str:
    """Make a token that lets a person in once more, and close the ones before it.

    `name` is one of `own_names`. Raises UsageError where nobody has it.
    """
    names = own_names(list_people(connection))
    person = next((number for number, each in names.items() if each == name), None)
    if person is None:
        said = message("nobody in the project is called {name}", name=name)
        raise UsageError(said, hint=message("its people are {names}", names=", ".join(names.values())))
    token = secrets.token_urlsafe(24)
    connection.execute(delete(returns).where(returns.c.person_id == person))
    row = {"hash": _hashed(token), "person_id": person, "created": time.time()}
    connection.execute(insert(returns).values(row))
    return token


def returning(connection: Connection, token: str) -> Person | None:
    """Return the person whose way back a token is, or None."""
    here = (returns.c.hash == _hashed(token), returns.c.created > time.time() - WAY_BACK)
    chosen = select(people).join(returns, returns.c.person_id == people.c.id).where(*here)
    row = connection.execute(chosen).mappings().first()
    return None if row is None else _as_person(row)


def add_person(connection: Connection, name: str, role: PersonRole) -> Person:
    """Make a person without an invitation, such as the one who opened the project."""
    row = {"name": name, "role": role.value, "created": time.time(), "position": 0}
    number = connection.scalar(insert(people).values(row).returning(people.c.id))
    assert number is not None
    return Person(number, name, role)


def hold(connection: Connection, person: int | None = None) -> None:
    """Hold a person, or all, against other writers until the transaction ends.

    Whoever writes for a person holds the person before anything else, so that no two wait for each other.
    SQLite's writers hold the whole file.
    """
    if connection.dialect.name == "sqlite":
        return
    if person is None:
        connection.execute(_ALL_HELD).all()
    else:
        connection.execute(_ONE_HELD, {"person": person}).all()


def sign_in(connection: Connection, person: int) -> str:
    """Make a session for a person, and return its secret."""
    secret = secrets.token_urlsafe(24)
    connection.execute(insert(sessions).values(hash=_hashed(secret), person_id=person, created=time.time()))
    return secret


def signed_in(connection: Connection, secret: str) -> Person | None:
    """Return the person of a session, or None for a secret that is unknown."""
    chosen = select(people).join(sessions, sessions.c.person_id == people.c.id)
    row = connection.execute(chosen.where(sessions.c.hash == _hashed(secret))).mappings().first()
    return None if row is None else _as_person(row)


def list_people(connection: Connection) -> list[Person]:
    """Return all people in the order in which they came."""
    return [_as_person(row) for row in connection.execute(select(people).order_by(people.c.id)).mappings()]


def own_names(people: Sequence[Person]) -> dict[int, str]:
    """Return a name of each person by number that no other has: namesakes get their numbers."""
    namesakes = Counter(person.name for person in people)
    return {one.id: one.name if namesakes[one.name] == 1 else f"{one.name} ({one.id})" for one in people}


def _as_person(row: RowMapping) -> Person:
    return Person(row["id"], row["name"], PersonRole(row["role"]))
