"""The standings of a project's models: strengths from all votes on pairs, of annotation and of the arena.

Intervals are those of people who vote (`stats.model_strengths`). Where one person alone has voted, as on the
first evening of an arena, they are those of votes, and a note says so.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from truing.core.messages import message
from truing.stats.bradley_terry import Compared, fit_strengths
from truing.stats.intervals import Interval
from truing.stats.model_strengths import ModelStrength, PairVote, model_strengths
from truing.store.answers import PairAnswer
from truing.store.draw import FIRST
from truing.store.items import ItemPurpose
from truing.store.project import ProjectStore

ONE_PERSON = "one person voted: intervals are over votes, and say nothing of what other people would find"
VALUE = {"first": 1.0, "tie": 0.5, "second": 0.0}


@dataclass(frozen=True, slots=True)
class ModelStanding:
    """A model's place: its strength in log-odds with an interval, and the votes that it rests on."""

    model: str
    strength: Interval | None = None
    undefined: str = "not compared yet"  # why there is no strength
    wins: int = 0
    ties: int = 0
    losses: int = 0


@dataclass(frozen=True, slots=True)
class ArenaStandings:
    """All models, the strongest first and those never compared last; `bad` votes found both responses bad."""

    models: Sequence[ModelStanding]
    votes: int
    bad: int
    notes: Sequence[str]


@dataclass
class VotedPairs:
    """The votes on pairs of two models in a project. Items are read once: they do not change."""

    store: ProjectStore
    _models: dict[int, tuple[str, str] | None] = field(default_factory=dict[int, tuple[str, str] | None])

    def __iter__(self) -> Iterator[PairVote]:
        """Yield the votes that stand now, of first looks at real items."""
        stand = (vote for vote in self.store.standing_votes() if vote.look == FIRST)
        votes = [vote for vote in stand if isinstance(vote.answer, PairAnswer)]
        unknown = {vote.item for vote in votes} - self._models.keys()
        for number, item in self.store.get_items(unknown).items():
            self._models[number] = item.two_models if item.purpose is ItemPurpose.REAL else None
        for vote in votes:
            models = self._models[vote.item]
            if models is not None and isinstance(vote.answer, PairAnswer):
                yield PairVote(*models, vote.answer.choice, vote.person)


def compared_pairs(votes: Sequence[PairVote]) -> "Counter[frozenset[str]]":
    """Count the votes on each pair of models."""
    return Counter(frozenset(vote[:2]) for vote in votes)


def standings(votes: Sequence[PairVote], models: Sequence[str]) -> ArenaStandings:
    """Return the standing of each model that was voted on, and of `models` without a vote."""
    if not votes:
        return ArenaStandings([ModelStanding(name) for name in models], 0, 0, ())
    table = model_strengths(votes)
    alone = table.people == 1
    strengths = _of_votes(votes) if alone else {one.model: one.strength for one in table.models}
    found = [_standing(one, strengths.get(one.model)) for one in table.models]
    found.sort(key=lambda one: -one.strength.estimate if one.strength else float("inf"))
    named = {one.model for one in found}
    found += [ModelStanding(name) for name in models if name not in named]
    notes = (*table.notes, *([message(ONE_PERSON)] if alone else []))
    return ArenaStandings(found, table.votes, table.bad, notes)


def _standing(one: ModelStrength, strength: Interval | None) -> ModelStanding:
    return ModelStanding(one.model, strength, one.undefined or "", one.wins, one.ties, one.losses)


def _of_votes(votes: Sequence[PairVote]) -> dict[str, Interval | None]:
    """Return the interval of each model as if all votes were independent."""
    names = sorted({name for vote in votes for name in vote[:2]})
    compared = [
        Compared(names.index(vote.first), names.index(vote.second), VALUE[vote.outcome])
        for vote in votes
        if vote.outcome != "both_bad"
    ]
    return dict(zip(names, fit_strengths(compared, len(names)).intervals(), strict=True))
