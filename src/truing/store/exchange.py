"""Single votes on their way from one tool to another: `VoteRow`, and a project that takes them in.

`data/votes.py` makes rows to train on, in which several people's votes are one; here each vote stays itself.
A file that is read again adds nothing: a vote's key is a function of all that it says.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection, select

from truing.core.errors import DataError, TruingError
from truing.core.messages import message
from truing.store.answers import VoteAnswer, as_row
from truing.store.draw import FIRST, note_shown, shown_before
from truing.store.items import NewItem, add_items, key_of_item, stored_item
from truing.store.people import PersonRole, add_person, hold, list_people, own_names
from truing.store.project import ProjectStore
from truing.store.schema import items as items_table
from truing.store.settings import ProjectSettings
from truing.store.votes import NewVote, check_answer, save, standing_vote


@dataclass(frozen=True)
class VoteRow:
    """A vote with its item, apart from any project. An item that nobody voted on has no `person`."""

    item: NewItem
    person: str | None = None
    answer: VoteAnswer | None = None
    look: int = FIRST
    order: tuple[int, ...] = ()  # as shown; empty where it is not known
    seconds: float | None = None
    comment: str = ""
    flag: bool = False
    place: str = ""

    @property
    def key(self) -> str:
        """A name of this vote that the same file gives it again."""
        kind = self.item.kind or ""
        said = [key_of_item(kind, self.item), self.person, self.look, self.answer and as_row(self.answer)]
        return (
            "read:"
            + sha256(json.dumps([*said, self.comment, self.flag, self.seconds]).encode()).hexdigest()[:48]
        )


@dataclass(frozen=True, slots=True)
class TakenIn:
    """The number of items and votes that were new to a project, and of votes that it had."""

    items: int
    votes: int
    known: int


def vote_rows(store: ProjectStore) -> list[VoteRow]:
    """Return the standing votes of a project, by item and name, and its items without a vote."""
    stand = list(store.standing_votes())
    names = own_names(store.people())  # after the votes, as the items: none of either is ever removed
    votes = sorted(stand, key=lambda vote: (vote.item, names[vote.person], vote.look))
    items = {item.id: item.as_new() for item in store.items()}
    voted = {vote.item for vote in votes}
    rows = [
        (
            vote.item,
            VoteRow(
                item=items[vote.item],
                person=names[vote.person],
                answer=vote.answer,
                look=vote.look,
                order=vote.order,
                seconds=vote.seconds,
                comment=vote.comment,
                flag=vote.flag,
            ),
        )
        for vote in votes
    ]
    rows += [(number, VoteRow(item)) for number, item in items.items() if number not in voted]
    return [row for _, row in sorted(rows, key=lambda each: each[0])]


def take_in(store: ProjectStore, rows: Iterable[VoteRow]) -> TakenIn:
    """Add the items and votes of rows that the project lacks, people by their names; all or none.

    A vote that stands already is not added again.

    Raises DataError for a vote that does not fit its item.
    """
    return store.transact(lambda connection, settings: _take_in(connection, settings, list(rows)))


def _take_in(connection: Connection, settings: ProjectSettings, rows: list[VoteRow]) -> TakenIn:
    hold(connection)
    added = add_items(connection, settings, (row.item for row in rows))
    there = list_people(connection)
    people = {person.name: person.id for person in reversed(there)}
    people |= {name: number for number, name in own_names(there).items()}
    votes = known = 0
    for row in rows:
        if row.person is None or row.answer is None:
            continue
        if row.person not in people:
            people[row.person] = add_person(connection, row.person, PersonRole.ANNOTATOR).id
        person = people[row.person]
        key = key_of_item(row.item.kind or settings.kinds[0], row.item)
        found = connection.execute(select(items_table).where(items_table.c.key == key)).mappings().one()
        item = stored_item(found)
        if shown_before(connection, person, item.id, row.look) is None:
            note_shown(connection, person, item, row.look, row.order)
        if _stands(connection, person, item.id, row):
            known += 1
            continue
        vote = NewVote(person, item.id, row.answer, row.key, row.look, row.seconds, row.comment, row.flag)
        try:
            check_answer(settings, item, row.answer)
        except TruingError as error:
            raise DataError(message("{place}: {what}", place=row.place, what=error.message)) from error
        saved = save(connection, settings, vote)
        votes, known = votes + saved.new, known + (not saved.new)
    return TakenIn(added.new, votes, known)


def _stands(connection: Connection, person: int, item: int, row: VoteRow) -> bool:
    """Tell whether the vote of a row is the one that stands."""
    found = standing_vote(connection, person, item, row.look)
    said = (row.answer, row.seconds, row.comment, row.flag)
    return found is not None and (found.answer, found.seconds, found.comment, found.flag) == said
