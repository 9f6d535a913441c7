"""The tables of a project, the same in SQLite and in PostgreSQL.

To change them, raise `VERSION`, change the tables here, and add to `migrations.py` the statements that bring
a database of the version before to this one.
"""

import json
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

VERSION = 2


class JsonText(TypeDecorator[Any]):
    """A value as JSON in ASCII: PostgreSQL refuses NUL in text, and takes its escape."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


metadata = MetaData()


def _number() -> Column[int]:
    return Column("id", Integer, primary_key=True, autoincrement=True)


def _person() -> Column[int]:
    return Column("person_id", ForeignKey("people.id"), nullable=False)


def _item() -> Column[int]:
    return Column("item_id", ForeignKey("items.id"), nullable=False)


schema_version = Table("truing_schema", metadata, Column("version", Integer, nullable=False))

project = Table(
    "project",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("settings", JsonText, nullable=False),
    Column("created", Double, nullable=False),  # seconds since 1970, as all times here
)

people = Table(
    "people",
    metadata,
    _number(),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("position", Integer, nullable=False, default=0),  # how many items were drawn for this person
    Column("created", Double, nullable=False),
    sqlite_autoincrement=True,
)

# A secret is stored as its SHA-256 alone.
invitations = Table(
    "invitations",
    metadata,
    _number(),
    Column("hash", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("person_id", ForeignKey("people.id")),  # of who claimed it
)

# The way back of a person who was signed out.
returns = Table(
    "returns",
    metadata,
    Column("hash", Text, primary_key=True),
    _person(),
    Column("created", Double, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", Text, primary_key=True),
    _person(),
    Column("created", Double, nullable=False),
)

items = Table(
    "items",
    metadata,
    _number(),
    Column("key", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),  # of the question
    Column("purpose", Text, nullable=False),  # real, gold or training
    Column("prompt", JsonText, nullable=False),
    Column("responses", JsonText, nullable=False),
    Column("gold", JsonText),  # the answer that is known
    Column("row", JsonText, nullable=False),
    Column("priority", Double, nullable=False, default=0.0),
    Column("draw", BigInteger, nullable=False),  # a number drawn by seed and key
    Column("wanted", Integer, nullable=False),  # 1 while a real item lacks votes, else 0
    Column("votes", Integer, nullable=False, default=0),  # standing first looks, without skips
    # The votes, and the people who answered or skipped it: "1:,2,7," where 2 voted and 7 skipped.
    Column("crowd", Text, nullable=False, default="0:,"),
    # Of a real item: 0 while its votes agree, 1 where they differ, 2 where an adjudicator has settled that.
    Column("disputed", Integer, nullable=False, default=0),
    Column("created", Double, nullable=False),
    Index("items_by_purpose", "purpose", "id"),
    Index("items_by_dispute", "disputed", "id"),
    sqlite_autoincrement=True,
)
_turn = (items.c.priority.desc(), items.c.draw)
Index("items_by_turn", items.c.wanted, items.c.votes.desc(), *_turn, items.c.crowd)
Index("items_by_crowd", items.c.wanted, items.c.crowd, *_turn)

shown = Table(
    "shown",
    metadata,
    Column("person_id", ForeignKey("people.id"), primary_key=True),
    Column("item_id", ForeignKey("items.id"), primary_key=True),
    Column("look", Integer, primary_key=True),  # 1, or 2 for a second look
    Column(
        "order", JsonText, nullable=False
    ),  # numbers of the responses, from 0, as they stand on the screen
    Column("position", Integer, nullable=False),  # among the items drawn for the person, from 0
    Column("at", Double, nullable=False),
    UniqueConstraint("person_id", "position"),
)

# An item that lies open before a person, and until when it is theirs.
leases = Table(
    "leases",
    metadata,
    Column("person_id", ForeignKey("people.id"), primary_key=True),
    Column("item_id", ForeignKey("items.id"), primary_key=True),
    Column("look", Integer, primary_key=True),
    Column("expires", Double, nullable=False),
    Index("leases_by_item", "item_id"),
)

votes = Table(
    "votes",
    metadata,
    _number(),
    Column("client_key", Text, nullable=False, unique=True),
    Column("act", Text, nullable=False),  # vote, undo or settle
    _person(),
    _item(),
    Column("look", Integer, nullable=False),
    Column("answer", JsonText),  # none in an undo
    Column("undoes", Integer),  # a vote; as a foreign key SQLite would look through all votes at each
    Column("order", JsonText, nullable=False),  # as in `shown`
    Column("seconds", Double),  # from seeing to answering, by the page's clock
    Column("comment", Text, nullable=False, default=""),
    Column("flag", Boolean, nullable=False, default=False),
    Column("at", Double, nullable=False),
    Index("votes_by_person", "person_id", "id"),
    Index("votes_by_item", "item_id", "id"),
    sqlite_autoincrement=True,
)

standing = Table(
    "standing",
    metadata,
    Column("person_id", ForeignKey("people.id"), primary_key=True),
    Column("item_id", ForeignKey("items.id"), primary_key=True),
    Column("look", Integer, primary_key=True),
    Column("vote_id", ForeignKey("votes.id"), nullable=False, unique=True),
    Column("skip", Boolean, nullable=False),
    Index("standing_by_person", "person_id", "vote_id"),
    Index("standing_by_item", "item_id", "look"),
)

# The vote that settles an item on which people disagree.
settled = Table(
    "settled",
    metadata,
    Column("item_id", ForeignKey("items.id"), primary_key=True),
    Column("vote_id", ForeignKey("votes.id"), nullable=False, unique=True),
)
