"""The next items of a person: by overlap, then by priority, then in a drawn order.

An item that others have begun comes before one that nobody has, so that overlap completes. The index
`items_by_turn` holds the items in this order, and the first few hold one for nearly everybody. Who has seen
them all has run ahead of the others: then `items_by_crowd` is searched, in which items of the same people
stand together in groups ("crowds"), and a crowd that the person belongs to is passed over whole. So the cost
grows neither with the votes of a person nor, for those who have not run ahead, with the number of crowds.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    RowMapping,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from truing.store.items import ItemPurpose, StoredItem, get_items, stored_item
from truing.store.people import hold
from truing.store.schema import items, leases, people, shown, standing
from truing.store.settings import ProjectSettings, drawn, drawn_number

FIRST, SECOND = 1, 2  # looks
SECOND_LOOK_AFTER = 10  # items between the first look and the second

LOOKED = 64  # items at the head of all that are looked at beside those that lie open before people


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
    opened = [one for one in _renewed(connection, settings, person, now) if one.item.id not in held]
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
    lease = {"person_id": person, "item_id": item.id, "look": look}
    connection.execute(insert(leases).values(**lease, expires=now + settings.lease))
    return seen


def close(connection: Connection, person: int, item: int) -> None:
    """Let an item lie open before a person no longer."""
    connection.execute(delete(leases).where(leases.c.person_id == person, leases.c.item_id == item))


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
    return None if row is None else _shown_item(row)


def _shown_item(row: RowMapping) -> ShownItem:
    return ShownItem(stored_item(row), row["look"], tuple(row["order"]), row["position"])


def _renewed(connection: Connection, settings: ProjectSettings, person: int, now: float) -> list[ShownItem]:
    """Return the few items that lie open before a person, in the order in which they were drawn.

    Their leases begin anew; those that have ended are given up.
    """
    mine = leases.c.person_id == person
    chosen = select(leases.c.item_id, leases.c.look, leases.c.expires).where(mine)
    found = list(connection.execute(chosen).tuples())
    opened = {(item, look) for item, look, expires in found if expires > now}
    if len(opened) < len(found):
        connection.execute(delete(leases).where(mine, leases.c.expires <= now))
    if not opened:
        return []
    connection.execute(update(leases).where(mine).values(expires=now + settings.lease))
    seen = select(items, shown.c.look, shown.c.order, shown.c.position)
    seen = seen.join(shown, shown.c.item_id == items.c.id).where(shown.c.person_id == person)
    rows = connection.execute(seen.where(shown.c.item_id.in_([item for item, _ in opened]))).mappings()
    shown_items = [_shown_item(row) for row in rows if (row["id"], row["look"]) in opened]
    return sorted(shown_items, key=lambda each: each.position)


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
    if settings.gold + settings.second_looks == 0:
        return show(connection, settings, person, real, FIRST)
    position = connection.scalar(select(people.c.position).where(people.c.id == person)) or 0
    chance = drawn(settings.seed, "mix", person, position)
    if chance < settings.gold:
        row, look = _unanswered(connection, person, ItemPurpose.GOLD, held), FIRST
    elif chance < settings.gold + settings.second_looks:
        row, look = _seen_before(connection, settings, person, position, held), SECOND
    else:
        row, look = None, FIRST
    if row is None:
        return show(connection, settings, person, real, FIRST)
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
) -> StoredItem | None:
    """Return the real item whose turn it is, or None where no item lacks this person's vote.

    A lease that ends later than any can is from before the clock was set back, and holds nothing.
    """
    latest = now + 2 * settings.lease  # a clock that is put right by seconds ends no lease

    def free(item: FromClause) -> ColumnElement[bool]:
        """Tell that the person neither saw nor holds an item, and that others do not hold all it lacks."""
        others = select(func.count()).select_from(leases)
        others = others.where(leases.c.item_id == item.c.id, leases.c.look == FIRST)
        others = others.where(leases.c.expires > now, leases.c.expires <= latest)
        held_by_others = others.where(leases.c.person_id != person).scalar_subquery()
        mine = select(leases.c.item_id).where(leases.c.person_id == person)
        return and_(
            item.c.crowd.not_like(f"%,{person},%"),
            item.c.id.not_in([*held]),
            item.c.id.not_in(mine),
            item.c.votes + held_by_others < settings.overlap,
        )

    opened = select(func.count()).select_from(leases).where(leases.c.expires > now).scalar_subquery()
    number = connection.scalar(_among_first(free, opened + LOOKED))
    if number is None:
        number = connection.scalar(_among_crowds(free))
    return None if number is None else get_items(connection, [number])[number]


_Free = Callable[[FromClause], ColumnElement[bool]]


def _turn(item: FromClause) -> tuple[ColumnElement[Any], ...]:
    """Return the order in which items come."""
    return item.c.votes.desc(), item.c.priority.desc(), item.c.draw


def _among_first(free: _Free, most: ColumnElement[int]) -> Select[Any]:
    """Return the search for an item among the first ones of all."""
    columns = (items.c.id, items.c.votes, items.c.priority, items.c.draw, items.c.crowd)
    ahead = select(*columns).where(items.c.wanted == 1).order_by(*_turn(items)).limit(most).subquery()
    return select(ahead.c.id).where(free(ahead)).order_by(*_turn(ahead)).limit(1)


def _among_crowds(free: _Free) -> Select[Any]:
    """Return the search for the best item of each crowd, and for the best of these."""
    every = select(func.min(items.c.crowd).label("crowd")).where(items.c.wanted == 1)
    found = every.cte("found", recursive=True)
    # Each step is one search in the index: the least crowd above the last.
    later = items.alias()
    least = select(func.min(later.c.crowd)).where(later.c.wanted == 1, later.c.crowd > found.c.crowd)
    found = found.union_all(select(least.scalar_subquery()).where(found.c.crowd.is_not(None)))
    one = items.alias()
    best = select(one.c.id).where(one.c.wanted == 1, one.c.crowd == found.c.crowd, free(one))
    best = best.order_by(one.c.priority.desc(), one.c.draw).limit(1).correlate(found).scalar_subquery()
    return select(items.c.id).join(found, items.c.id == best).order_by(*_turn(items)).limit(1)


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
