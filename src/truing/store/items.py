"""Items to vote on: a prompt and responses, for real, with a known answer, or for training."""

import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, func, insert, select, update

from truing.core.errors import DataError
from truing.core.messages import message
from truing.core.records import Message
from truing.store.answers import VoteAnswer, as_row, problem_of, read_answer
from truing.store.schema import items
from truing.store.settings import ProjectSettings, VoteKind, drawn_number

AT_ONCE = 500  # items of one statement


class ItemPurpose(StrEnum):
    """Real items need votes. Gold ones have an answer and are mixed in; training ones come first."""

    REAL = "real"
    GOLD = "gold"
    TRAINING = "training"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A response that people judge. `model` names its maker and is never shown before the vote."""

    text: str
    model: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item before it is in a project. Gold and training items have the answer that is known."""

    prompt: tuple[Message, ...]
    responses: tuple[Candidate, ...]
    kind: VoteKind | None = None  # None: the first kind of the project
    purpose: ItemPurpose = ItemPurpose.REAL
    gold: VoteAnswer | None = None
    row: Mapping[str, Any] = field(default_factory=dict[str, Any])  # where it comes from, as JSON
    priority: float = 0.0
    by_models: bool = False  # told apart by its models too, as in a contest: two models may say the same

    def __post_init__(self) -> None:
        if not self.responses:
            raise DataError(message("an item without responses: expected at least one"))
        if (self.gold is None) != (self.purpose is ItemPurpose.REAL):
            told = (
                "a real item with a known answer"
                if self.gold
                else "a gold or training item without its answer"
            )
            hint = message("gold and training items have the answer that is known, real ones have none")
            raise DataError(message(told), hint=hint)


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item of a project. `key` is what `key_of_item` returned for it."""

    id: int
    key: str
    kind: VoteKind
    purpose: ItemPurpose
    prompt: tuple[Message, ...]
    responses: tuple[Candidate, ...]
    gold: VoteAnswer | None
    row: Mapping[str, Any]
    priority: float
    votes: int  # standing first looks without skips

    @property
    def two_models(self) -> tuple[str, str] | None:
        """The makers of a pair's responses; None where they are not two that are known and differ."""
        models = [each.model for each in self.responses]
        match models:
            case [str(first), str(second)] if first and second and first != second:
                return first, second
            case _:
                return None

    def as_new(self) -> NewItem:
        """Return the item as it was before it was in the project."""
        of = (self.prompt, self.responses, self.kind, self.purpose, self.gold, self.row, self.priority)
        plain, named = NewItem(*of), NewItem(*of, by_models=True)
        return named if key_of_item(self.kind, named) == self.key else plain


@dataclass(frozen=True, slots=True)
class AddedItems:
    """The number of items that were new, and of those that the project had already."""

    new: int
    known: int


def key_of_item(kind: str, item: NewItem) -> str:
    """Return the SHA-256 of what a person sees, and of the models where the item is told apart by them."""
    turns = [{"role": turn.role, "content": turn.content, **turn.more} for turn in item.prompt]
    seen = [kind, turns, [each.text for each in item.responses]]
    key = _hashed(seen)
    return _hashed([key, [each.model for each in item.responses]]) if item.by_models else key


def _hashed(value: object) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def add_items(connection: Connection, settings: ProjectSettings, given: Iterable[NewItem]) -> AddedItems:
    """Add the items that the project lacks, by their keys."""
    rows: dict[str, dict[str, Any]] = {}
    count = 0
    for item in given:
        count += 1
        row = item_row(settings, item)
        rows.setdefault(row["key"], row)
    new = 0
    keys = list(rows)
    for start in range(0, len(keys), AT_ONCE):
        some = keys[start : start + AT_ONCE]
        known = set(connection.scalars(select(items.c.key).where(items.c.key.in_(some))))
        if fresh := [rows[key] for key in some if key not in known]:
            connection.execute(insert(items), fresh)
            new += len(fresh)
    return AddedItems(new, count - new)


def item_row(settings: ProjectSettings, item: NewItem) -> dict[str, Any]:
    kind = item.kind or settings.kinds[0]
    if kind == "pair" and len(item.responses) != 2:
        said = message("a pair with {n} responses: expected 2", n=len(item.responses))
        raise DataError(said, hint=message("give the items two responses, or ask for another kind: ranking"))
    if item.gold and (problem := problem_of(item.gold, kind, len(item.responses), settings.axes)):
        raise DataError(message("the known answer of an item does not fit it: {problem}", problem=problem))
    key = key_of_item(kind, item)
    return {
        "key": key,
        "kind": kind,
        "purpose": item.purpose.value,
        "prompt": [[turn.role, turn.content, turn.extras] for turn in item.prompt],
        "responses": [
            {"text": each.text, "model": each.model, "meta": dict(each.meta)} for each in item.responses
        ],
        "gold": as_row(item.gold) if item.gold else None,
        "row": dict(item.row),
        "priority": item.priority,
        "draw": drawn_number(settings.seed, "item", key),
        "wanted": int(item.purpose is ItemPurpose.REAL),
        "created": time.time(),
    }


def set_priorities(connection: Connection, priorities: Mapping[int, float]) -> None:
    """Set the priority of items by number; the higher comes first among items of as many votes."""
    rows = [{"number": number, "value": priorities[number]} for number in sorted(priorities)]
    if rows:
        change = update(items).where(items.c.id == bindparam("number")).values(priority=bindparam("value"))
        connection.execute(change, rows)


def stored_item(row: RowMapping) -> StoredItem:
    """Return the item of a row of the table."""
    return StoredItem(
        id=row["id"],
        key=row["key"],
        kind=row["kind"],
        purpose=ItemPurpose(row["purpose"]),
        prompt=tuple(Message(*turn) for turn in row["prompt"]),
        responses=tuple(Candidate(**each) for each in row["responses"]),
        gold=read_answer(row["gold"]) if row["gold"] else None,
        row=row["row"],
        priority=row["priority"],
        votes=row["votes"],
    )


def get_items(connection: Connection, numbers: Iterable[int]) -> dict[int, StoredItem]:
    """Return items by number; a number that is not in the project is left out."""
    found: dict[int, StoredItem] = {}
    listed = list(numbers)
    for start in range(0, len(listed), AT_ONCE):
        chosen = select(items).where(items.c.id.in_(listed[start : start + AT_ONCE]))
        found |= {row["id"]: stored_item(row) for row in connection.execute(chosen).mappings()}
    return found


def list_items(connection: Connection, purpose: ItemPurpose | None) -> Iterator[StoredItem]:
    """Return all items, or those of one purpose, in the order in which they came."""
    chosen = select(items).order_by(items.c.id)
    if purpose is not None:
        chosen = chosen.where(items.c.purpose == purpose.value)
    return map(stored_item, connection.execute(chosen).mappings().all())


def count_items(connection: Connection) -> dict[ItemPurpose, int]:
    """Return how many items of each purpose there are."""
    counted = dict(
        connection.execute(select(items.c.purpose, func.count()).group_by(items.c.purpose)).tuples().all()
    )
    return {purpose: counted.get(purpose.value, 0) for purpose in ItemPurpose}


def count_real(connection: Connection, kinds: Collection[str]) -> tuple[int, int]:
    """Return how many votes the real items of some kinds have, and how many of these items lack votes."""
    chosen = select(func.coalesce(func.sum(items.c.votes), 0), func.coalesce(func.sum(items.c.wanted), 0))
    chosen = chosen.where(items.c.purpose == ItemPurpose.REAL.value, items.c.kind.in_(kinds))
    votes, wanted = connection.execute(chosen).one()
    return int(votes), int(wanted)
