"""A project with people whose votes follow a rule, through the store as a page would."""

from collections.abc import Callable, Iterable, Sequence
from itertools import count

import pytest

from truing.core.records import Message
from truing.store.answers import VoteAnswer
from truing.store.draw import ShownItem
from truing.store.items import Candidate, NewItem
from truing.store.people import PersonRole
from truing.store.project import ProjectStore, open_store
from truing.store.settings import ProjectSettings
from truing.store.votes import NewVote

Rule = Callable[[ShownItem], VoteAnswer | None]
_keys = count()


def pair(prompt: str, texts: Sequence[str], models: Sequence[str | None] = ("A", "B"), **more) -> NewItem:
    responses = tuple(Candidate(text, model) for text, model in zip(texts, models, strict=True))
    return NewItem((Message("user", prompt),), responses, **more)


@pytest.fixture
def make_store(tmp_path):
    """Return a function that opens a new project with items, and closes it at the end."""
    opened: list[ProjectStore] = []

    def make(items: Iterable[NewItem], **settings) -> ProjectStore:
        store = open_store(tmp_path / f"project{len(opened)}.db", ProjectSettings(**settings))
        store.add_items(items)
        opened.append(store)
        return store

    yield make
    for store in opened:
        store.close()


def vote_all(
    store: ProjectStore, name: str, rule: Rule, *, most: int = 1000, seconds: float = 4.0
) -> list[int]:
    """Let a new person answer what they are shown by a rule, None to stop; return the items in order."""
    person = store.add_person(name, PersonRole.ANNOTATOR)
    seen: list[int] = []
    while len(seen) < most and (shown := store.next_items(person.id, 1)):
        answer = rule(shown[0])
        if answer is None:
            break
        seen.append(shown[0].item.id)
        vote = NewVote(person.id, shown[0].item.id, answer, f"key{next(_keys)}", shown[0].look, seconds)
        store.save(vote)
    return seen
