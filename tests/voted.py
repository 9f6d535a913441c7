"""Projects with the votes of a few people."""

from pathlib import Path
from uuid import uuid4

from truing.core.records import user
from truing.store.answers import PairAnswer, VoteAnswer
from truing.store.items import Candidate, NewItem
from truing.store.people import PersonRole
from truing.store.project import ProjectStore, open_store
from truing.store.settings import ProjectSettings
from truing.store.votes import NewVote


def project(
    folder: Path, *votes: list[VoteAnswer], k: int = 2, name: str = "project.db", **settings: object
) -> ProjectStore:
    """Make a project in which each list holds one person's answers to item 1, 2, …"""
    given = {"overlap": len(votes) or 1, "kinds": (votes[0][0].kind,) if votes else ("pair",), **settings}
    store = open_store(folder / name, ProjectSettings.model_validate(given))
    for number in range(1, max(map(len, votes), default=0) + 1):
        candidates = tuple(Candidate(f"{number}{letter}", f"model {letter}") for letter in "abcd"[:k])
        store.add_items(
            [NewItem(user(f"q{number}"), candidates, row={"place": f"f:{number}", "category": "c"})]
        )
    for number, answers in enumerate(votes, 1):
        person = store.add_person(f"person {number}", PersonRole.ANNOTATOR)
        for shown in store.next_items(person.id, len(answers)):
            store.save(NewVote(person.id, shown.item.id, answers[shown.item.id - 1], uuid4().hex))
    return store


def pairs(choices: str) -> list[VoteAnswer]:
    names = {"1": "first", "2": "second", "t": "tie", "b": "both_bad"}
    return [PairAnswer(names[letter]) for letter in choices]  # pyright: ignore[reportArgumentType]
