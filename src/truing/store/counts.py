"""Counts of a project: items, votes, and each person's part."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from truing.core.messages import Sentence, message
from truing.store.answers import SkipAnswer, compared
from truing.store.draw import FIRST
from truing.store.items import ItemPurpose
from truing.store.project import ProjectStore


@dataclass(frozen=True, slots=True)
class PersonCounts:
    """The standing votes of a person. `gold` are those on gold items, `right` of these as known."""

    id: int
    name: str
    role: str
    votes: int  # first looks at real items, without skips
    skips: int
    second_looks: int
    gold: int
    right: int
    flags: int
    seconds: float | None  # the median from seeing to answering

    def line(self) -> Sentence:
        """Say the counts in a line, without the name."""
        said = message(
            "{role}: {votes} votes, {skips} skipped, {again} looked at twice, {flags} flagged",
            role=message(self.role),
            votes=self.votes,
            skips=self.skips,
            again=self.second_looks,
            flags=self.flags,
        )
        if self.gold:
            said = message(
                "{said}, {right} of {gold} gold items right", said=said, right=self.right, gold=self.gold
            )
        if self.seconds is not None:
            said = message("{said}, {seconds:.1f} s each", said=said, seconds=self.seconds)
        return said


@dataclass(frozen=True, slots=True)
class ProjectCounts:
    """The counts of a project; `done` items have as many votes as the overlap asks for, or are settled."""

    name: str
    real: int
    gold: int
    training: int
    done: int
    begun: int  # some votes, and not done
    votes: int
    overlap: int
    disagreements: int  # not settled
    invitations: int  # not claimed
    people: tuple[PersonCounts, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> Iterator[Sentence]:
        """Say the counts in lines, without those of people."""
        yield message(
            "{name}: {real} items, {gold} gold, {training} for training",
            name=self.name,
            real=self.real,
            gold=self.gold,
            training=self.training,
        )
        yield message(
            "{done} have their {overlap} votes, {begun} some, {none} none; {votes} votes in all",
            done=self.done,
            overlap=self.overlap,
            begun=self.begun,
            none=self.real - self.done - self.begun,
            votes=self.votes,
        )
        yield message(
            "{n} disagreements to settle, {invitations} invitations open",
            n=self.disagreements,
            invitations=self.invitations,
        )


def count_votes(store: ProjectStore) -> ProjectCounts:
    """Count a project's items, votes and people."""
    settings = store.settings
    votes = list(store.standing_votes())
    settled = {vote.item for vote in store.settling_votes()}
    items = {item.id: item for item in store.items()}  # after the votes: none is ever removed
    real = [item for item in items.values() if item.purpose is ItemPurpose.REAL]
    done = sum(item.votes >= settings.overlap or item.id in settled for item in real)
    begun = sum(0 < item.votes < settings.overlap and item.id not in settled for item in real)

    def of(person: int, name: str, role: str) -> PersonCounts:
        mine = [vote for vote in votes if vote.person == person]
        given = [vote for vote in mine if not isinstance(vote.answer, SkipAnswer)]
        gold = [vote for vote in given if items[vote.item].purpose is ItemPurpose.GOLD]
        seconds = [vote.seconds for vote in mine if vote.seconds is not None]
        return PersonCounts(
            id=person,
            name=name,
            role=role,
            votes=sum(vote.look == FIRST and items[vote.item].purpose is ItemPurpose.REAL for vote in given),
            skips=len(mine) - len(given),
            second_looks=sum(vote.look != FIRST for vote in given),
            gold=len(gold),
            right=sum(compared(vote.answer) == compared(items[vote.item].gold) for vote in gold),
            flags=sum(vote.flag for vote in mine),
            seconds=median(seconds) if seconds else None,
        )

    return ProjectCounts(
        name=settings.name,
        real=len(real),
        gold=sum(item.purpose is ItemPurpose.GOLD for item in items.values()),
        training=sum(item.purpose is ItemPurpose.TRAINING for item in items.values()),
        done=done,
        begun=begun,
        votes=sum(item.votes for item in real),
        overlap=settings.overlap,
        disagreements=store.count_disagreements(),
        invitations=sum(store.open_invitations().values()),
        people=tuple(of(one.id, one.name, one.role.value) for one in store.people()),
    )
