"""The next items of a person: by overlap, then by priority, then in a drawn order.

An item that others have begun comes before one that nobody has, so that overlap completes. The index
`items_by_turn` holds the items in this order, and the first few hold one for nearly everybody. Who has seen
them all has run ahead of the others: then `items_by_crowd` is searched, in which items of the same people
stand together in groups ("crowds"), and a crowd that the person belongs to is passed over whole. So the cost
grows neither with the votes of a person nor, for those who have not run ahead, with the number of crowds.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    FromClause,
    Integer,
    RowMapping,
    ScalarSelect,
    Select,
    Text,
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

from truing.store.items import ItemPurpose, StoredItem, stored_item
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
    here = _Here(settings, person, time.time(), frozenset(held))
    opened = _renewed(connection, here)
    found = [one for one in opened if training or one.item.purpose is not ItemPurpose.TRAINING][:count]
    while len(found) < count:
        drawn_item = _draw(connection, here, training=training)
        if drawn_item is None:
            break
        found.append(drawn_item)
    return found


_ORDERED = update(shown).where(
    shown.c.person_id == bindparam("person"),
    shown.c.item_id == bindparam("item"),
    shown.c.look == bindparam("of_look"),
)
_LEASED = insert(leases)


def show(
    connection: Connection,
    settings: ProjectSettings,
    person: int,
    item: StoredItem,
    look: int,
    seen: ShownItem | None,
) -> ShownItem:
    """Lay an item open before a person, in the order that was or is now drawn for them.

    `seen` is the item as it was shown to them before, if it was.
    """
    if seen is None or not seen.order:
        order = sorted(
            range(len(item.responses)),
            key=lambda number: drawn_number(settings.seed, "order", person, item.key, look, number),
        )
        if seen is None:
            seen = note_shown(connection, person, item, look, order)
        else:  # a vote from a file that did not say how it was shown
            here = {"person": person, "item": item.id, "of_look": look}
            connection.execute(_ORDERED, {"order": order, **here})
            seen = replace(seen, order=tuple(order))
    lease = {"person_id": person, "item_id": item.id, "look": look, "expires": time.time() + settings.lease}
    connection.execute(_LEASED, lease)
    return seen


_CLOSED = delete(leases).where(
    leases.c.person_id == bindparam("person"), leases.c.item_id == bindparam("item")
)


def close(connection: Connection, person: int, item: int) -> None:
    """Let an item lie open before a person no longer."""
    connection.execute(_CLOSED, {"person": person, "item": item})


_ONE_FURTHER = (
    update(people)
    .where(people.c.id == bindparam("person"))
    .values(position=people.c.position + 1)
    .returning(people.c.position)
)
_NOTED = insert(shown)


def note_shown(
    connection: Connection, person: int, item: StoredItem, look: int, order: Sequence[int]
) -> ShownItem:
    """Note that a person is shown an item for the first time, and in which order."""
    position = connection.scalar(_ONE_FURTHER, {"person": person})
    assert position is not None
    row = {"person_id": person, "item_id": item.id, "look": look, "position": position - 1}
    connection.execute(_NOTED, {**row, "order": list(order), "at": time.time()})
    return ShownItem(item, look, tuple(order), position - 1)


_SHOWN = (
    select(items, shown.c.look, shown.c.order, shown.c.position)
    .join(shown, shown.c.item_id == items.c.id)
    .where(shown.c.person_id == bindparam("person"))
)
_SHOWN_ONCE = _SHOWN.where(shown.c.item_id == bindparam("item"), shown.c.look == bindparam("look"))
_SHOWN_HELD = _SHOWN_ONCE.with_for_update(key_share=True, of=items)
_SHOWN_SOME = _SHOWN.where(shown.c.item_id.in_(bindparam("some", expanding=True)))


def shown_before(
    connection: Connection, person: int, item: int, look: int, *, hold: bool = False
) -> ShownItem | None:
    """Return an item as it was shown to a person, or None where it never was.

    With `hold` other writers wait for the item until the transaction ends.
    """
    here = {"person": person, "item": item, "look": look}
    row = connection.execute(_SHOWN_HELD if hold else _SHOWN_ONCE, here).mappings().first()
    return None if row is None else _as_shown(row)


def _as_shown(row: RowMapping) -> ShownItem:
    return ShownItem(stored_item(row), row["look"], tuple(row["order"]), row["position"])


@dataclass(frozen=True, slots=True)
class _Here:
    """The person who asks, when, and the items that their page has already."""

    settings: ProjectSettings
    person: int
    now: float
    held: frozenset[int]

    def values(self) -> dict[str, object]:
        """Return what the searches for an item take."""
        return {"person": self.person, "held": list(self.held)}


_RENEWED = (
    update(leases)
    .where(leases.c.person_id == bindparam("person"))
    .values(
        expires=case(
            (leases.c.expires > bindparam("now", type_=Double), bindparam("ends", type_=Double)),
            else_=leases.c.expires,
        )
    )
    .returning(leases.c.item_id, leases.c.look, leases.c.expires)
)
_GIVEN_UP = delete(leases).where(
    leases.c.person_id == bindparam("person"), leases.c.expires <= bindparam("now")
)


def _renewed(connection: Connection, here: _Here) -> list[ShownItem]:
    """Return the few items that lie open before a person and that their page lacks, as they were drawn.

    All their leases begin anew; those that have ended are given up.
    """
    when = {"person": here.person, "now": here.now}
    found = list(connection.execute(_RENEWED, {**when, "ends": here.now + here.settings.lease}).tuples())
    opened = {(item, look) for item, look, expires in found if expires > here.now}
    if len(opened) < len(found):
        connection.execute(_GIVEN_UP, when)
    wanted = {item for item, _ in opened} - here.held
    if not wanted:
        return []
    rows = connection.execute(_SHOWN_SOME, {"person": here.person, "some": list(wanted)}).mappings()
    shown_items = [_as_shown(row) for row in rows if (row["id"], row["look"]) in opened]
    return sorted(shown_items, key=lambda each: each.position)


_POSITION = select(people.c.position).where(people.c.id == bindparam("person"))


def _draw(connection: Connection, here: _Here, *, training: bool) -> ShownItem | None:
    if training and (row := _unanswered(connection, here, ItemPurpose.TRAINING)):
        return _show(connection, here, row)
    real = _real(connection, here)
    if real is None:
        return None
    settings = here.settings
    if settings.gold + settings.second_looks == 0:
        return _show(connection, here, real)
    position = connection.scalar(_POSITION, {"person": here.person}) or 0
    chance = drawn(settings.seed, "mix", here.person, position)
    if chance < settings.gold:
        return _show(connection, here, _unanswered(connection, here, ItemPurpose.GOLD) or real)
    if chance < settings.gold + settings.second_looks:
        again = _seen_before(connection, here, position)
        if again is not None:
            return show(connection, settings, here.person, stored_item(again), SECOND, None)
    return _show(connection, here, real)


def _show(connection: Connection, here: _Here, row: RowMapping) -> ShownItem:
    """Lay the item of a row that was found open for a first look."""
    item = stored_item(row)
    seen = None
    if row["position"] is not None:  # it lay open before, until its lease ended
        seen = ShownItem(item, FIRST, tuple(row["order"]), row["position"])
    return show(connection, here.settings, here.person, item, FIRST, seen)


def _with_first_look() -> Select[Any]:
    """Return the statement for items and how the person was shown them, where they were."""
    first = (
        shown.c.person_id == bindparam("person"),
        shown.c.item_id == items.c.id,
        shown.c.look == FIRST,
    )
    return select(items, shown.c.order, shown.c.position).outerjoin(shown, and_(*first))


def _not_held(item: FromClause) -> ColumnElement[bool]:
    """Tell that neither the page has an item, nor it lies open before the person."""
    mine = select(leases.c.item_id).where(leases.c.person_id == bindparam("person"))
    return and_(item.c.id.not_in(bindparam("held", expanding=True)), item.c.id.not_in(mine))


def _search_unanswered(order: ColumnElement[int]) -> Select[Any]:
    answered = exists().where(standing.c.person_id == bindparam("person"), standing.c.item_id == items.c.id)
    chosen = _with_first_look().where(items.c.purpose == bindparam("purpose"), ~answered, _not_held(items))
    return chosen.order_by(order).limit(1)


_UNANSWERED = {
    ItemPurpose.TRAINING: _search_unanswered(items.c.id),
    ItemPurpose.GOLD: _search_unanswered(items.c.draw),
}


def _unanswered(connection: Connection, here: _Here, purpose: ItemPurpose) -> RowMapping | None:
    """Return the first gold or training item that the person neither answered nor has open."""
    values = {**here.values(), "purpose": purpose.value}
    return connection.execute(_UNANSWERED[purpose], values).mappings().first()


def _free(item: FromClause) -> ColumnElement[bool]:
    """Tell that the person neither saw nor holds an item, and that others do not hold all it lacks."""
    others = select(func.count()).select_from(leases)
    others = others.where(leases.c.item_id == item.c.id, leases.c.look == FIRST)
    others = others.where(leases.c.expires > bindparam("now"), leases.c.expires <= bindparam("latest"))
    held_by_others = others.where(leases.c.person_id != bindparam("person")).scalar_subquery()
    return and_(
        item.c.crowd.not_like(bindparam("among", type_=Text)),
        _not_held(item),
        item.c.votes + held_by_others < bindparam("overlap", type_=Integer),
    )


def _turn(item: FromClause) -> tuple[ColumnElement[Any], ...]:
    """Return the order in which items come."""
    return item.c.votes.desc(), item.c.priority.desc(), item.c.draw


def _among_first() -> ScalarSelect[Any]:
    """Return the search for an item among the first ones of all."""
    opened = select(func.count()).select_from(leases).where(leases.c.expires > bindparam("now"))
    most = opened.scalar_subquery() + LOOKED
    columns = (items.c.id, items.c.votes, items.c.priority, items.c.draw, items.c.crowd)
    ahead = select(*columns).where(items.c.wanted == 1).order_by(*_turn(items)).limit(most).subquery()
    return select(ahead.c.id).where(_free(ahead)).order_by(*_turn(ahead)).limit(1).scalar_subquery()


def _among_crowds() -> ScalarSelect[Any]:
    """Return the search for the best item of each crowd, and for the best of these."""
    every = select(func.min(items.c.crowd).label("crowd")).where(items.c.wanted == 1)
    found = every.cte("found", recursive=True)
    # Each step is one search in the index: the least crowd above the last.
    later = items.alias()
    least = select(func.min(later.c.crowd)).where(later.c.wanted == 1, later.c.crowd > found.c.crowd)
    found = found.union_all(select(least.scalar_subquery()).where(found.c.crowd.is_not(None)))
    one, of_all = items.alias(), items.alias()
    best = select(one.c.id).where(one.c.wanted == 1, one.c.crowd == found.c.crowd, _free(one))
    best = best.order_by(one.c.priority.desc(), one.c.draw).limit(1).correlate(found).scalar_subquery()
    chosen = select(of_all.c.id).join(found, of_all.c.id == best)
    return chosen.order_by(*_turn(of_all)).limit(1).scalar_subquery()


_SEARCHES = tuple(
    _with_first_look().where(items.c.id == number) for number in (_among_first(), _among_crowds())
)


def _real(connection: Connection, here: _Here) -> RowMapping | None:
    """Return the real item whose turn it is, or None where no item lacks this person's vote.

    A lease that ends later than any can is from before the clock was set back, and holds nothing.
    """
    values = {
        **here.values(),
        "now": here.now,
        "latest": here.now + 2 * here.settings.lease,  # a clock that is put right by seconds ends no lease
        "among": f"%,{here.person},%",
        "overlap": here.settings.overlap,
    }
    for search in _SEARCHES:
        if (row := connection.execute(search, values).mappings().first()) is not None:
            return row
    return None


def _search_seen() -> Select[Any]:
    """Return the search for an item that may be shown a second time, between two positions."""
    again = shown.alias()
    twice = exists().where(
        again.c.person_id == bindparam("person"),
        again.c.item_id == shown.c.item_id,
        again.c.look == SECOND,
    )
    stands = and_(
        standing.c.person_id == bindparam("person"),
        standing.c.item_id == shown.c.item_id,
        standing.c.look == FIRST,
        standing.c.skip.is_(False),
    )
    return (
        select(items)
        .select_from(shown.join(items, items.c.id == shown.c.item_id).join(standing, stands))
        .where(shown.c.person_id == bindparam("person"), shown.c.look == FIRST)
        .where(items.c.purpose == ItemPurpose.REAL.value, ~twice)
        .where(items.c.id.not_in(bindparam("held", expanding=True)))
        .where(shown.c.position.between(bindparam("low"), bindparam("high")))
        .order_by(shown.c.position)
        .limit(1)
    )


_SEEN = _search_seen()


def _seen_before(connection: Connection, here: _Here, position: int) -> RowMapping | None:
    """Return a real item that the person voted on some time ago and has not been asked about twice."""
    last = position - SECOND_LOOK_AFTER
    if last < 0:
        return None
    start = drawn_number(here.settings.seed, "second", here.person, position) % (last + 1)
    for low, high in ((start, last), (0, start - 1)):
        values = {**here.values(), "low": low, "high": high}
        found = connection.execute(_SEEN, values).mappings().first()
        if found is not None:
            return found
    return None
