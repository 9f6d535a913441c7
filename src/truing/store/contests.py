"""Votes on responses that were written for one person: the item and the vote on it come together.

A page that has models write while a person waits draws the sides itself, before there is an item.
"""

from dataclasses import dataclass, replace

from sqlalchemy import Connection, insert, select, update

from truing.store.answers import VoteAnswer
from truing.store.draw import FIRST, close, show, shown_before
from truing.store.items import NewItem, get_items, item_row
from truing.store.schema import items, shown
from truing.store.settings import ProjectSettings
from truing.store.votes import NewVote, SavedVote, save, vote_of_key


@dataclass(frozen=True, slots=True)
class ContestVote:
    """A vote with its item. `order` holds the numbers of the responses as they stood on the screen."""

    person: int
    item: NewItem
    order: tuple[int, ...]
    answer: VoteAnswer
    client_key: str
    seconds: float | None = None  # from the end of the responses to the answer


def save_contest(connection: Connection, settings: ProjectSettings, vote: ContestVote) -> SavedVote:
    """Add the item and append the vote on it; a replay of the vote's key changes nothing.

    Items of contests are told apart by their models too: two models may say the same.
    """
    if (before := vote_of_key(connection, vote.client_key)) is not None:
        return SavedVote(before, new=False)
    number = _item(connection, settings, vote.item)
    stored = get_items(connection, [number])[number]
    close(connection, vote.person, number)
    seen = shown_before(connection, vote.person, number, FIRST)
    show(connection, settings, vote.person, stored, FIRST, seen)
    here = (shown.c.person_id == vote.person, shown.c.item_id == number, shown.c.look == FIRST)
    connection.execute(update(shown).where(*here).values(order=list(vote.order)))
    saved = NewVote(vote.person, number, vote.answer, vote.client_key, seconds=vote.seconds)
    return save(connection, settings, saved)


def _item(connection: Connection, settings: ProjectSettings, item: NewItem) -> int:
    """Return the number of an item, which is added where the project lacks it."""
    row = item_row(settings, replace(item, by_models=True))
    known = connection.scalar(select(items.c.id).where(items.c.key == row["key"]))
    if known is not None:
        return known
    number = connection.scalar(insert(items).values(**row).returning(items.c.id))
    assert number is not None
    return number
