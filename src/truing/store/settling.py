"""Items on which people disagree, and the vote that settles one."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, case, delete, exists, func, insert, select, update

from truing.core.errors import UsageError
from truing.core.messages import message
from truing.store.answers import SkipAnswer, differ
from truing.store.draw import FIRST
from truing.store.items import AT_ONCE, ItemPurpose, StoredItem, stored_item
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


def disagreements(
    connection: Connection, *, unsettled: bool = True, count: int | None = None, held: Collection[int] = ()
) -> Iterator[Disagreement]:
    """Yield the items whose standing votes differ, without skips; with `unsettled` those that nobody decided.

    Comments and edited texts are no difference; two texts written for the same question are. At most `count`
    are yielded, and none of `held`.
    """
    chosen = select(items).where(items.c.disputed.in_((1,) if unsettled else (1, 2)), items.c.id.not_in(held))
    rows = connection.execute(chosen.order_by(items.c.id).limit(count)).mappings().all()
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        numbers = [row["id"] for row in some]
        stand = select(votes).join(standing, standing.c.vote_id == votes.c.id)
        ours = (standing.c.item_id.in_(numbers), standing.c.look == FIRST, standing.c.skip.is_(False))
        said = _by_item(connection, stand.where(*ours))
        decide = select(votes).join(settled, settled.c.vote_id == votes.c.id)
        decided = _by_item(connection, decide.where(settled.c.item_id.in_(numbers)))
        for row in some:
            last = decided[row["id"]][-1] if row["id"] in decided else None
            yield Disagreement(stored_item(row), tuple(said[row["id"]]), last)


def _by_item(connection: Connection, chosen: Select[Any]) -> dict[int, list[Vote]]:
    """Return votes by item, in the order in which they were stored."""
    found: dict[int, list[Vote]] = {}
    for vote in sorted(map(as_vote, connection.execute(chosen).mappings()), key=lambda vote: vote.id):
        found.setdefault(vote.item, []).append(vote)
    return found


def count_disagreements(connection: Connection) -> int:
    """Return how many items there are on which people disagree and that nobody settled."""
    return connection.scalar(select(func.count()).select_from(items).where(items.c.disputed == 1)) or 0


def mark_disputes(connection: Connection) -> None:
    """Note of each item whether its standing votes differ, in a database that did not."""
    stand = select(votes).join(standing, standing.c.vote_id == votes.c.id)
    stand = stand.where(standing.c.look == FIRST, standing.c.skip.is_(False))
    for item, said in _by_item(connection, stand).items():
        if differ([vote.answer for vote in said if vote.answer is not None]):
            state = case((exists().where(settled.c.item_id == item), 2), else_=1)
            here = (items.c.id == item, items.c.purpose == ItemPurpose.REAL.value)
            connection.execute(update(items).where(*here).values(disputed=state))


def adjudicate(connection: Connection, settings: ProjectSettings, vote: NewVote) -> SavedVote:
    """Append a vote that settles its item, in place of an earlier one. Responses stand as they are stored.

    Raises UsageError for a person who may not settle, an item that is not there, and a skip.
    """
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
    disputed = case((items.c.disputed > 0, 2), else_=0)
    connection.execute(update(items).where(items.c.id == item.id).values(wanted=0, disputed=disputed))
    return SavedVote(number, new=True, replaced=replaced)
