"""Items on which people disagree, and the vote that settles one."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, func, insert, select, update

from truing.core.errors import UsageError
from truing.core.messages import message
from truing.store.answers import SkipAnswer, compared
from truing.store.items import StoredItem, stored_item
from truing.store.people import PersonRole
from truing.store.schema import items, people, settled, standing, votes
from truing.store.settings import ProjectSettings
from truing.store.votes import NewVote, SavedVote, Vote, append, as_vote, check_answer, vote_of_key

MAY_SETTLE = (PersonRole.ADJUDICATOR, PersonRole.ADMIN)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An item whose standing first looks differ, and these votes; `settled` is the vote that decided it."""

    item: StoredItem
    votes: tuple[Vote, ...]
    settled: Vote | None


def disagreements(connection: Connection, *, unsettled: bool = True) -> Iterator[Disagreement]:
    """Yield the items whose standing votes differ, without skips; with `unsettled` those that nobody decided.

    Comments and edited texts are no difference; two texts written for the same question are.
    """
    ours = (standing.c.look == 1, standing.c.skip.is_(False))
    several = select(standing.c.item_id).where(*ours).group_by(standing.c.item_id).having(func.count() > 1)
    chosen = select(items).where(items.c.id.in_(several), items.c.purpose == "real").order_by(items.c.id)
    if unsettled:
        chosen = chosen.where(~exists().where(settled.c.item_id == items.c.id))
    for row in connection.execute(chosen).mappings().all():
        stand = select(votes).join(standing, standing.c.vote_id == votes.c.id)
        stand = stand.where(standing.c.item_id == row["id"], *ours).order_by(votes.c.id)
        found = tuple(as_vote(each) for each in connection.execute(stand).mappings())
        if len({repr(compared(vote.answer)) for vote in found}) > 1:
            yield Disagreement(stored_item(row), found, _settled(connection, row["id"]))


def _settled(connection: Connection, item: int) -> Vote | None:
    chosen = select(votes).join(settled, settled.c.vote_id == votes.c.id).where(settled.c.item_id == item)
    row = connection.execute(chosen).mappings().first()
    return None if row is None else as_vote(row)


def adjudicate(connection: Connection, settings: ProjectSettings, vote: NewVote) -> SavedVote:
    """Append a vote that settles its item, in place of an earlier one. Responses stand as they are stored.

    Raises UsageError for a person who may not settle, an item that is not there, and a skip.
    """
    if (before := vote_of_key(connection, vote.client_key)) is not None:
        return SavedVote(before, new=False)
    role = connection.scalar(select(people.c.role).where(people.c.id == vote.person))
    row = (
        connection.execute(select(items).where(items.c.id == vote.item).with_for_update(key_share=True))
        .mappings()
        .first()
    )
    if (before := vote_of_key(connection, vote.client_key)) is not None:
        return SavedVote(before, new=False)
    if role not in MAY_SETTLE:
        said = message("person {person} may not settle an item", person=vote.person)
        raise UsageError(said, hint=message("an adjudicator or an admin may"))
    if row is None:
        raise UsageError(message("there is no item {item}", item=vote.item))
    if isinstance(vote.answer, SkipAnswer):
        raise UsageError(message("a skip settles nothing: expected an answer"))
    item = stored_item(row)
    check_answer(settings, item, vote.answer)
    number = append(connection, vote, "settle", list(range(len(item.responses))))
    replaced = connection.scalar(select(settled.c.vote_id).where(settled.c.item_id == item.id))
    connection.execute(delete(settled).where(settled.c.item_id == item.id))
    connection.execute(insert(settled).values(item_id=item.id, vote_id=number))
    connection.execute(update(items).where(items.c.id == item.id).values(wanted=0))
    return SavedVote(number, new=True, replaced=replaced)
