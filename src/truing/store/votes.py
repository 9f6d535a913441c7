"""Votes: appended rows, one of which stands for each person, item and look."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, and_, case, delete, exists, func, insert, select, update

from truing.core.errors import UsageError
from truing.core.messages import message
from truing.store.answers import SkipAnswer, VoteAnswer, as_row, differ, problem_of, read_answer
from truing.store.draw import FIRST, ShownItem, close, show, shown_before
from truing.store.items import ItemPurpose, StoredItem, stored_item
from truing.store.people import hold
from truing.store.schema import items, settled, shown, standing, votes
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
    # Behind the lock: two replays may come at once.
    if (before := vote_of_key(connection, vote.client_key)) is not None:
        return SavedVote(before, new=False)
    asked = _asked(connection, vote.person, vote.item, vote.look)
    if asked is None:
        raise NotAskedError(
            message("item {item} was not shown to person {person}", item=vote.item, person=vote.person)
        )
    check_answer(settings, asked.item, vote.answer)
    number = append(connection, vote, "vote", asked.order)
    stand = _standing(connection, vote.item, vote.look)
    replaced = stand.get(vote.person)
    _stand(connection, vote, number, new=replaced is None)
    if vote.look == FIRST:
        answers = {person: each.answer for person, each in stand.items()} | {vote.person: vote.answer}
        _count(connection, settings, asked, answers)
    close(connection, vote.person, vote.item)
    return SavedVote(number, new=True, replaced=None if replaced is None else replaced.id)


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
    asked = _asked(connection, person, row["item_id"], row["look"])
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
        stand = _standing(connection, row["item_id"], FIRST)
        _count(connection, settings, asked, {person: each.answer for person, each in stand.items()})
    close(connection, person, row["item_id"])
    return show(connection, settings, person, asked.item, row["look"])


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


def append(connection: Connection, vote: NewVote, act: str, order: list[int]) -> int:
    """Append a row to the votes and return its number."""
    number = connection.scalar(
        insert(votes)
        .values(
            client_key=vote.client_key,
            act=act,
            person_id=vote.person,
            item_id=vote.item,
            look=vote.look,
            answer=as_row(vote.answer),
            order=order,
            seconds=vote.seconds,
            comment=vote.comment.replace("\0", ""),  # which PostgreSQL refuses
            flag=vote.flag,
            at=time.time(),
        )
        .returning(votes.c.id)
    )
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
class _Asked:
    """An item that was shown to a person, and how."""

    item: StoredItem
    order: list[int]
    settled: bool


@dataclass(frozen=True, slots=True)
class _Stands:
    """The vote of a person that stands."""

    id: int
    answer: VoteAnswer


def _asked(connection: Connection, person: int, item: int, look: int) -> _Asked | None:
    """Return an item as it was shown, held against other writers until the transaction ends."""
    here = (shown.c.person_id == person, shown.c.item_id == item, shown.c.look == look)
    is_settled = exists().where(settled.c.item_id == item)
    chosen = select(items, shown.c.order, is_settled.label("is_settled"))
    chosen = chosen.join(shown, shown.c.item_id == items.c.id).where(items.c.id == item, *here)
    row = connection.execute(chosen.with_for_update(key_share=True, of=items)).mappings().first()
    return None if row is None else _Asked(stored_item(row), row["order"], bool(row["is_settled"]))


def _standing(connection: Connection, item: int, look: int) -> dict[int, _Stands]:
    """Return the votes that stand for a look at an item by person; there are about as many as the overlap."""
    chosen = select(standing.c.person_id, votes.c.id, votes.c.answer)
    chosen = chosen.join(votes, votes.c.id == standing.c.vote_id)
    chosen = chosen.where(standing.c.item_id == item, standing.c.look == look)
    rows = connection.execute(chosen).tuples()
    return {person: _Stands(number, read_answer(answer)) for person, number, answer in rows}


def _stand(connection: Connection, vote: NewVote, number: int, *, new: bool) -> None:
    """Let a vote stand, alone or in place of the one before it."""
    here = {"person_id": vote.person, "item_id": vote.item, "look": vote.look}
    now = {"vote_id": number, "skip": isinstance(vote.answer, SkipAnswer)}
    if new:
        connection.execute(insert(standing).values(**here, **now))
    else:
        connection.execute(update(standing).filter_by(**here).values(**now))


def _count(
    connection: Connection, settings: ProjectSettings, asked: _Asked, answers: Mapping[int, VoteAnswer]
) -> None:
    """Set the counts of an item from the first looks that stand, by person."""
    said = [answer for answer in answers.values() if not isinstance(answer, SkipAnswer)]
    seen = "".join(f"{person}," for person in sorted(answers))
    real = asked.item.purpose is ItemPurpose.REAL
    wanted = real and len(said) < settings.overlap and not asked.settled
    connection.execute(
        update(items)
        .where(items.c.id == asked.item.id)
        .values(
            votes=len(said),
            crowd=f"{len(said)}:,{seen}",
            wanted=int(wanted),
            disputed=int(real and differ(said)) * (2 if asked.settled else 1),
        )
    )


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
