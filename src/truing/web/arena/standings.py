"""The standings of a project's models: strengths from all votes on pairs, of annotation and of the arena.

Strengths are those of the Bradley-Terry model with ties as an outcome. Votes that call both responses bad say
nothing of which is better, and are counted apart.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from truing.stats.bradley_terry import Compared, fit_strengths
from truing.stats.intervals import Interval
from truing.store.answers import PairAnswer, PairChoice
from truing.store.items import StoredItem
from truing.store.project import ProjectStore


class ModelPair(NamedTuple):
    """One standing vote on the responses of two different models."""

    first: str
    second: str
    choice: PairChoice


@dataclass(frozen=True, slots=True)
class ModelStanding:
    """A model's place: its strength in log-odds with an interval, and the votes it rests on."""

    model: str
    strength: Interval | None  # None: it was never compared
    wins: int
    ties: int
    losses: int
    both_bad: int


@dataclass
class VotedPairs:
    """The votes on pairs of two models in a project. Items are read once: they do not change."""

    store: ProjectStore
    _models: dict[int, tuple[str, str] | None] = field(default_factory=dict[int, tuple[str, str] | None])

    def __iter__(self) -> Iterator[ModelPair]:
        """Yield the votes that stand now."""
        votes = [vote for vote in self.store.standing_votes() if isinstance(vote.answer, PairAnswer)]
        unknown = {vote.item for vote in votes} - self._models.keys()
        for number, item in self.store.get_items(unknown).items():
            self._models[number] = _two_models(item)
        for vote in votes:
            models = self._models[vote.item]
            if models is not None and isinstance(vote.answer, PairAnswer):
                yield ModelPair(*models, vote.answer.choice)


def _two_models(item: StoredItem) -> tuple[str, str] | None:
    """Return the models of an item's responses; None where they are not two that are known and differ."""
    first, second = (each.model for each in item.responses)
    return (first, second) if first and second and first != second else None


def compared_pairs(pairs: list[ModelPair]) -> "Counter[frozenset[str]]":
    """Count the votes on each pair of models."""
    return Counter(frozenset(pair[:2]) for pair in pairs)


def standings(pairs: list[ModelPair], models: list[str]) -> list[ModelStanding]:
    """Return the standing of each model, the strongest first, those never compared last."""
    named = list(dict.fromkeys([*models, *(name for pair in pairs for name in pair[:2])]))
    place = {name: number for number, name in enumerate(named)}
    outcome = {"first": 1.0, "tie": 0.5, "second": 0.0}
    compared = [
        Compared(place[pair.first], place[pair.second], outcome[pair.choice])
        for pair in pairs
        if pair.choice != "both_bad"
    ]
    intervals = fit_strengths(compared, len(named)).intervals()
    counts = Counter((name, _result(pair, name)) for pair in pairs for name in pair[:2])
    found = [
        ModelStanding(
            name, interval, *(counts[name, result] for result in ("win", "tie", "loss", "both_bad"))
        )
        for name, interval in zip(named, intervals, strict=True)
    ]
    return sorted(found, key=lambda one: -one.strength.estimate if one.strength else float("inf"))


def _result(pair: ModelPair, name: str) -> str:
    """Return what a vote means for one of its models."""
    if pair.choice in ("tie", "both_bad"):
        return pair.choice
    return "win" if (pair.choice == "first") == (name == pair.first) else "loss"
