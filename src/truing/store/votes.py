"""Votes: appended rows, one of which stands for each person, item and look."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import (
    Connection,
    RowMapping,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from truing.core.errors import UsageError
from truing.core.messages import message
from truing.store.answers import SkipAnswer, VoteAnswer, as_row, differ, problem_of, read_answer
from truing.store.draw import FIRST, ShownItem, close, show, shown_before
from truing.store.items import ItemPurpose, StoredItem
from truing.store.people import hold
from truing.store.schema import items, project, settled, standing, votes
from truing.store.settings import ProjectSettings

LONGEST_KEY = 64


class NotAskedError(UsageError):
    """A person answered an item that was never shown to them."""

    code = "not-asked"


@dataclass(frozen=True, slots=True)
class NewVote:
    """A vote before it is stored. The page makes a `client_key` for each click; a replay has the same key."""

    person: int
    item: int
    answer: VoteAnswer
    client_key: str
    look: int = FIRST
    seconds: float | None = None  # from seeing to answering
    comment: str = ""
    flag: bool = False

    def __post_init__(self) -> None:
        if not 0 < len(self.client_key) <= LONGEST_KEY:
            said = message(
                "a vote's key of {n} characters: expected 1 to {most}",
                n=len(self.client_key),
                most=LONGEST_KEY,
            )
            raise UsageError(said)


@dataclass(frozen=True, slots=True)
class SeenItem:
    """An item by number, look and key, as whoever votes on it saw it."""

    item: int
    look: int
    key: str


@dataclass(frozen=True, slots=True)
class SavedVote:
    """The fate of a vote. `new` is False for a replay; `replaced` is the vote that stood until now."""

    id: int
    new: bool
    replaced: int | None = None


@dataclass(frozen=True, slots=True)
class Vote:
    """A stored row. `act` is vote, undo or settle; an undo has no answer, and `undoes` names a vote."""

    id: int
    act: str
    person: int
    item: int
    look: int
    answer: VoteAnswer | None
    undoes: int | None
    order: tuple[int, ...]
    seconds: float | None
    comment: str
    flag: bool
    at: float  # seconds since 1970


def save(connection: Connection, settings: ProjectSettings, vote: NewVote) -> SavedVote:
    """Append a vote that stands from now on. Raises NotAskedError, and UsageError for an answer of no use."""
    hold(connection, vote.person)
    asked = shown_before(connection, vote.person, vote.item, vote.look, hold=True)
    return _saved(connection, settings, vote, asked)


def save_shown(
    connection: Connection,
    settings: ProjectSettings,
    person: int,
    seen: SeenItem,
    vote_of: Callable[[ShownItem], NewVote],
) -> tuple[ShownItem, SavedVote] | None:
    """Append the vote that `vote_of` makes of an item as the person was shown it, or return None."""
    hold(connection, person)
    asked = shown_before(connection, person, seen.item, seen.look, hold=True)
    if asked is None or asked.item.key != seen.key:
        return None
    return asked, _saved(connection, settings, vote_of(asked), asked)


def _saved(
    connection: Connection, settings: ProjectSettings, vote: NewVote, asked: ShownItem | None
) -> SavedVote:
    """Append a vote on an item that is held for a person who is."""
    # Behind the lock: two replays may come at once.
    stand = _standing(connection, vote.item, vote.look, vote.client_key)
    if stand.before is not None:
        return SavedVote(stand.before, new=False)
    if asked is None:
        raise NotAskedError(
            message("item {item} was not shown to person {person}", item=vote.item, person=vote.person)
        )
    check_answer(settings, asked.item, vote.answer)
    number = append(connection, vote, "vote", asked.order)
    replaced = stand.numbers.get(vote.person)
    _stand(connection, vote, number, new=replaced is None)
    if vote.look == FIRST:
        stand.answers[vote.person] = vote.answer
        _count(connection, settings, asked.item, stand)
    close(connection, vote.person, vote.item)
    return SavedVote(number, new=True, replaced=replaced)


def undo(
    connection: Connection, settings: ProjectSettings, person: int, vote: str, client_key: str
) -> ShownItem | None:
    """Take back the person's vote with the key `vote`, and lay its item open again, or return None."""
    hold(connection, person)
    before = connection.execute(
        select(votes.c.item_id, votes.c.look).where(votes.c.client_key == client_key)
    ).first()
    if before is not None:
        return shown_before(connection, person, before.item_id, before.look)
    meant = select(votes).join(standing, standing.c.vote_id == votes.c.id)
    meant = meant.where(votes.c.client_key == vote, standing.c.person_id == person)
    row = connection.execute(meant).mappings().first()
    if row is None:
        return None
    asked = shown_before(connection, person, row["item_id"], row["look"], hold=True)
    assert asked is not None
    taken = {name: row[name] for name in ("person_id", "item_id", "look", "order")}
    connection.execute(
        insert(votes).values(
            **taken,
            client_key=client_key,
            act="undo",
            undoes=row["id"],
            at=time.time(),
            comment="",
            flag=False,
        )
    )
    connection.execute(delete(standing).where(standing.c.vote_id == row["id"]))
    if row["look"] == FIRST:
        stand = _standing(connection, row["item_id"], FIRST, client_key)
        _count(connection, settings, asked.item, stand)
    close(connection, person, row["item_id"])
    return show(connection, settings, person, asked.item, row["look"], asked)


def latest_key(connection: Connection, person: int, before: str | None = None) -> str | None:
    """Return the key of the person's latest standing vote, or of the latest older than the vote `before`."""
    chosen = select(votes.c.client_key).join(standing, standing.c.vote_id == votes.c.id)
    chosen = chosen.where(standing.c.person_id == person).order_by(standing.c.vote_id.desc()).limit(1)
    if before is not None:
        older = select(votes.c.id).where(votes.c.client_key == before).scalar_subquery()
        chosen = chosen.where(standing.c.vote_id < older)
    return connection.scalar(chosen)


def check_answer(settings: ProjectSettings, item: StoredItem, answer: VoteAnswer) -> None:
    """Raise UsageError for an answer to another question than the item's, or one that does not fit it."""
    if isinstance(answer, SkipAnswer):
        return
    if problem := problem_of(answer, item.kind, len(item.responses), settings.axes):
        raise UsageError(message("the answer does not fit the item: {problem}", problem=problem))


_APPEND = insert(votes).returning(votes.c.id)


def append(connection: Connection, vote: NewVote, act: str, order: Sequence[int]) -> int:
    """Append a row to the votes and return its number."""
    row = {
        "client_key": vote.client_key,
        "act": act,
        "person_id": vote.person,
        "item_id": vote.item,
        "look": vote.look,
        "answer": as_row(vote.answer),
        "order": list(order),
        "seconds": vote.seconds,
        "comment": vote.comment.replace("\0", ""),  # which PostgreSQL refuses
        "flag": vote.flag,
        "at": time.time(),
    }
    number = connection.scalar(_APPEND, row)
    assert number is not None
    return number


def standing_votes(connection: Connection) -> Iterator[Vote]:
    """Return the votes that stand, in the order in which they were stored."""
    chosen = select(votes).join(standing, standing.c.vote_id == votes.c.id).order_by(votes.c.id)
    return map(as_vote, connection.execute(chosen).mappings().all())


def standing_vote(connection: Connection, person: int, item: int, look: int) -> Vote | None:
    """Return the vote of a person that stands for a look at an item, or None."""
    here = (standing.c.person_id == person, standing.c.item_id == item, standing.c.look == look)
    chosen = select(votes).join(standing, standing.c.vote_id == votes.c.id).where(*here)
    row = connection.execute(chosen).mappings().first()
    return None if row is None else as_vote(row)


def standing_count(connection: Connection, person: int) -> int:
    """Return how many votes of a person stand, skips among them."""
    chosen = select(func.count()).select_from(standing).where(standing.c.person_id == person)
    return connection.scalar(chosen) or 0


def settling_votes(connection: Connection) -> Iterator[Vote]:
    """Return the votes that settle items, one for each."""
    chosen = select(votes).join(settled, settled.c.vote_id == votes.c.id).order_by(votes.c.id)
    return map(as_vote, connection.execute(chosen).mappings().all())


def history(connection: Connection) -> Iterator[Vote]:
    """Return every row: votes that stand, votes that were replaced or undone, undos, settlements."""
    return map(as_vote, connection.execute(select(votes).order_by(votes.c.id)).mappings().all())


def vote_of_key(connection: Connection, client_key: str) -> int | None:
    """Return the number of the row that the page named so, or None."""
    return connection.scalar(select(votes.c.id).where(votes.c.client_key == client_key))


@dataclass(frozen=True, slots=True)
class _Standing:
    """The votes that stand for a look at an item, by person; there are about as many as the overlap.

    `before` is the number of the row with a client's key, and `settled` tells that the item is.
    """

    before: int | None
    settled: bool
    numbers: dict[int, int] = field(default_factory=dict[int, int])
    answers: dict[int, VoteAnswer] = field(default_factory=dict[int, VoteAnswer])


# One statement for all; the only row of `project` stands for an item on which no vote stands.
_STANDING = (
    select(
        select(votes.c.id).where(votes.c.client_key == bindparam("key")).correlate(None).scalar_subquery(),
        exists().where(settled.c.item_id == bindparam("item")),
        standing.c.person_id,
        votes.c.id,
        votes.c.answer,
    )
    .select_from(project)
    .outerjoin(standing, and_(standing.c.item_id == bindparam("item"), standing.c.look == bindparam("look")))
    .outerjoin(votes, votes.c.id == standing.c.vote_id)
)


def _standing(connection: Connection, item: int, look: int, client_key: str) -> _Standing:
    """Return what stands for a look at an item that is held, and whether a key is known.

    A statement of its own: one that waits for the item sees the other tables as they were before.
    """
    rows = connection.execute(_STANDING, {"item": item, "look": look, "key": client_key}).tuples().all()
    found = _Standing(rows[0][0], bool(rows[0][1]))
    for _, _, person, number, answer in rows:
        if number is not None:
            found.numbers[person] = number
            found.answers[person] = read_answer(answer)
    return found


_FIRST_TO_STAND = insert(standing)
_STAND_INSTEAD = update(standing).where(
    standing.c.person_id == bindparam("person"),
    standing.c.item_id == bindparam("item"),
    standing.c.look == bindparam("of_look"),
)


def _stand(connection: Connection, vote: NewVote, number: int, *, new: bool) -> None:
    """Let a vote stand, alone or in place of the one before it."""
    now = {"vote_id": number, "skip": isinstance(vote.answer, SkipAnswer)}
    if new:
        here = {"person_id": vote.person, "item_id": vote.item, "look": vote.look}
        connection.execute(_FIRST_TO_STAND, here | now)
    else:
        here = {"person": vote.person, "item": vote.item, "of_look": vote.look}
        connection.execute(_STAND_INSTEAD, here | now)


_COUNT = update(items).where(items.c.id == bindparam("number"))


def _count(connection: Connection, settings: ProjectSettings, item: StoredItem, stand: _Standing) -> None:
    """Set the counts of an item from the first looks that stand."""
    said = [answer for answer in stand.answers.values() if not isinstance(answer, SkipAnswer)]
    seen = "".join(f"{person}," for person in sorted(stand.answers))
    real = item.purpose is ItemPurpose.REAL
    wanted = real and len(said) < settings.overlap and not stand.settled
    row = {
        "votes": len(said),
        "crowd": f"{len(said)}:,{seen}",
        "wanted": int(wanted),
        "disputed": int(real and differ(said)) * (2 if stand.settled else 1),
    }
    connection.execute(_COUNT, {"number": item.id, **row})


def rewant(connection: Connection, settings: ProjectSettings) -> None:
    """Open and close the real items by the overlap of the settings."""
    wants = and_(
        items.c.purpose == ItemPurpose.REAL.value,
        items.c.votes < settings.overlap,
        ~exists().where(settled.c.item_id == items.c.id),
    )
    connection.execute(update(items).values(wanted=case((wants, 1), else_=0)))


def as_vote(row: RowMapping) -> Vote:
    """Return the vote of a row of the table."""
    return Vote(
        id=row["id"],
        act=row["act"],
        person=row["person_id"],
        item=row["item_id"],
        look=row["look"],
        answer=read_answer(row["answer"]) if row["answer"] else None,
        undoes=row["undoes"],
        order=tuple(row["order"]),
        seconds=row["seconds"],
        comment=row["comment"],
        flag=row["flag"],
        at=row["at"],
    )
