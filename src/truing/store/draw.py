"""The next items of a person: by overlap, then by priority, then in a drawn order.

An item that others have begun comes before one that nobody has, so that overlap completes. Items of the same
people stand together in the index `items_by_turn`, in groups ("crowds"). A group that a person belongs to is
passed over whole, so the cost does not grow with the person's votes.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    select,
    text,
    update,
)

from truing.store.items import ItemPurpose, StoredItem, stored_item
from truing.store.people import hold
from truing.store.schema import items, leases, people, shown, standing
from truing.store.settings import ProjectSettings, drawn, drawn_number

FIRST, SECOND = 1, 2  # looks
SECOND_LOOK_AFTER = 10  # items between the first look and the second

# Each step is one search in the index: the least group above the last.
CROWDS = text("""
WITH RECURSIVE found(crowd) AS (
    SELECT min(crowd) FROM items WHERE wanted = 1
    UNION ALL
    SELECT (SELECT min(items.crowd) FROM items WHERE items.wanted = 1 AND items.crowd > found.crowd)
    FROM found WHERE found.crowd IS NOT NULL
)
SELECT crowd FROM found WHERE crowd IS NOT NULL
""")


@dataclass(frozen=True, slots=True)
class ShownItem:
    """An item as a person sees it. `order` holds the numbers of its responses as they stand on the screen.

    It is empty for a vote that was read from a file without it.
    """

    item: StoredItem
    look: int  # 1, or 2 for a second look
    order: tuple[int, ...]
    position: int  # among the items drawn for the person, from 0


def next_items(
    connection: Connection,
    settings: ProjectSettings,
    person: int,
    count: int,
    *,
    training: bool = True,
    held: Collection[int] = (),
) -> list[ShownItem]:
    """Return up to `count` items for a person: those that lie open before them, then new ones.

    `held` are numbers of items that the page has already. Those returned are the person's until their lease
    ends.
    """
    hold(connection, person)
    now = time.time()
    connection.execute(delete(leases).where(leases.c.person_id == person, leases.c.expires <= now))
    expires = now + settings.lease
    connection.execute(update(leases).where(leases.c.person_id == person).values(expires=expires))
    opened = [one for one in _open_items(connection, person) if one.item.id not in held]
    found = [one for one in opened if training or one.item.purpose is not ItemPurpose.TRAINING][:count]
    while len(found) < count:
        drawn_item = _draw(connection, settings, person, now, training=training, held=held)
        if drawn_item is None:
            break
        found.append(drawn_item)
    return found


def show(
    connection: Connection, settings: ProjectSettings, person: int, item: StoredItem, look: int
) -> ShownItem:
    """Lay an item open before a person, in the order that was or is now drawn for them."""
    now = time.time()
    seen = shown_before(connection, person, item.id, look)
    if seen is None or not seen.order:
        order = sorted(
            range(len(item.responses)),
            key=lambda number: drawn_number(settings.seed, "order", person, item.key, look, number),
        )
        if seen is None:
            seen = note_shown(connection, person, item, look, order)
        else:  # a vote from a file that did not say how it was shown
            here = (shown.c.person_id == person, shown.c.item_id == item.id, shown.c.look == look)
            connection.execute(update(shown).where(*here).values(order=order))
            seen = replace(seen, order=tuple(order))
    connection.execute(delete(leases).where(leases.c.person_id == person, leases.c.item_id == item.id))
    lease = {"person_id": person, "item_id": item.id, "look": look}
    connection.execute(insert(leases).values(**lease, expires=now + settings.lease))
    return seen


def note_shown(
    connection: Connection, person: int, item: StoredItem, look: int, order: Sequence[int]
) -> ShownItem:
    """Note that a person is shown an item for the first time, and in which order."""
    position = connection.scalar(
        update(people)
        .where(people.c.id == person)
        .values(position=people.c.position + 1)
        .returning(people.c.position)
    )
    assert position is not None
    row = {"person_id": person, "item_id": item.id, "look": look, "position": position - 1}
    connection.execute(insert(shown).values(**row, order=list(order), at=time.time()))
    return ShownItem(item, look, tuple(order), position - 1)


def shown_before(connection: Connection, person: int, item: int, look: int) -> ShownItem | None:
    """Return an item as it was shown to a person, or None where it never was."""
    chosen = (
        select(items, shown.c.look, shown.c.order, shown.c.position)
        .join(shown, shown.c.item_id == items.c.id)
        .where(shown.c.person_id == person, shown.c.item_id == item, shown.c.look == look)
    )
    row = connection.execute(chosen).mappings().first()
    if row is None:
        return None
    return ShownItem(stored_item(row), row["look"], tuple(row["order"]), row["position"])


def _open_items(connection: Connection, person: int) -> list[ShownItem]:
    """Return the few items that lie open before a person, in the order in which they were drawn."""
    mine = select(leases.c.item_id, leases.c.look).where(leases.c.person_id == person)
    # One search for each: a join would begin with all that was ever shown to the person.
    found = [shown_before(connection, person, *lease) for lease in connection.execute(mine).tuples().all()]
    return sorted((each for each in found if each is not None), key=lambda each: each.position)


def _draw(
    connection: Connection,
    settings: ProjectSettings,
    person: int,
    now: float,
    *,
    training: bool,
    held: Collection[int],
) -> ShownItem | None:
    if training and (row := _unanswered(connection, person, ItemPurpose.TRAINING, held)):
        return show(connection, settings, person, stored_item(row), FIRST)
    real = _real(connection, settings, person, now, held)
    if real is None:
        return None
    position = connection.scalar(select(people.c.position).where(people.c.id == person)) or 0
    chance = drawn(settings.seed, "mix", person, position)
    if chance < settings.gold:
        row, look = _unanswered(connection, person, ItemPurpose.GOLD, held), FIRST
    elif chance < settings.gold + settings.second_looks:
        row, look = _seen_before(connection, settings, person, position, held), SECOND
    else:
        row, look = None, FIRST
    if row is None:
        row, look = real, FIRST
    return show(connection, settings, person, stored_item(row), look)


def _unanswered(
    connection: Connection, person: int, purpose: ItemPurpose, held: Collection[int]
) -> RowMapping | None:
    """Return the first gold or training item that the person neither answered nor has open."""
    answered = exists().where(standing.c.person_id == person, standing.c.item_id == items.c.id)
    order = items.c.id if purpose is ItemPurpose.TRAINING else items.c.draw
    chosen = (
        select(items)
        .where(items.c.purpose == purpose.value, ~answered, _not_open(person), items.c.id.not_in(held))
        .order_by(order)
        .limit(1)
    )
    return connection.execute(chosen).mappings().first()


def _not_open(person: int) -> ColumnElement[bool]:
    return items.c.id.not_in(select(leases.c.item_id).where(leases.c.person_id == person))


def _real(
    connection: Connection, settings: ProjectSettings, person: int, now: float, held: Collection[int]
) -> RowMapping | None:
    """Return the real item whose turn it is, or None where no item lacks this person's vote.

    A lease that ends later than any can is from before the clock was set back, and holds nothing.
    """
    latest = now + 2 * settings.lease  # a clock that is put right by seconds ends no lease
    reserved = (
        select(leases.c.item_id)
        .join(items, items.c.id == leases.c.item_id)
        .where(leases.c.look == FIRST, leases.c.expires > now, leases.c.expires <= latest)
        .where(leases.c.person_id != person)
        .group_by(leases.c.item_id, items.c.votes)
        .having(items.c.votes + func.count() >= settings.overlap)
    )
    free = and_(items.c.id.not_in(reserved), _not_open(person), items.c.id.not_in(held))
    begun: dict[int, list[str]] = {}
    for crowd in connection.scalars(CROWDS):
        votes, _, seen = crowd.partition(":")
        if f",{person}," not in seen:
            begun.setdefault(int(votes), []).append(crowd)
    for votes in sorted(begun, reverse=True):
        best = [connection.execute(_best_of(crowd, free)).mappings().first() for crowd in begun[votes]]
        if found := [row for row in best if row is not None]:
            return min(found, key=lambda row: (-row["priority"], row["draw"]))
    return None


def _best_of(crowd: str, free: ColumnElement[bool]) -> Select[tuple[object]]:
    return (
        select(items)
        .where(items.c.wanted == 1, items.c.crowd == crowd, free)
        .order_by(items.c.priority.desc(), items.c.draw)
        .limit(1)
    )


def _seen_before(
    connection: Connection, settings: ProjectSettings, person: int, position: int, held: Collection[int]
) -> RowMapping | None:
    """Return a real item that the person voted on some time ago and has not been asked about twice."""
    last = position - SECOND_LOOK_AFTER
    if last < 0:
        return None
    start = drawn_number(settings.seed, "second", person, position) % (last + 1)
    again = shown.alias()
    twice = exists().where(
        again.c.person_id == person, again.c.item_id == shown.c.item_id, again.c.look == SECOND
    )
    stands = and_(
        standing.c.person_id == person,
        standing.c.item_id == shown.c.item_id,
        standing.c.look == FIRST,
        standing.c.skip.is_(False),
    )
    chosen = (
        select(items)
        .select_from(shown.join(items, items.c.id == shown.c.item_id).join(standing, stands))
        .where(shown.c.person_id == person, shown.c.look == FIRST, items.c.purpose == ItemPurpose.REAL.value)
        .where(~twice, items.c.id.not_in(held))
        .order_by(shown.c.position)
        .limit(1)
    )
    for low, high in ((start, last), (0, start - 1)):
        found = connection.execute(chosen.where(shown.c.position.between(low, high))).mappings().first()
        if found is not None:
            return found
    return None
