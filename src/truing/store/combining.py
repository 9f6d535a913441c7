"""Several people's votes on an item as one opinion, with the doubt that they leave.

    majority       each person counts the same: 2 of 3 people are a probability of 2/3
    dawid_skene    people count by how often they are right, as `stats/dawid_skene.py` finds from all votes;
                   in pairs and safety alone: rankings and ratings are combined by the majority

A vote that settles an item is the whole opinion. Gold and training items, second looks and skips are left
out.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

from truing.stats.dawid_skene import dawid_skene
from truing.store.answers import (
    CHOICES,
    SAFETY_LABELS,
    PairAnswer,
    RankingAnswer,
    RatingsAnswer,
    SafetyAnswer,
    SkipAnswer,
    VoteAnswer,
)
from truing.store.draw import FIRST
from truing.store.items import ItemPurpose, StoredItem
from truing.store.project import ProjectStore
from truing.store.votes import Vote

BETTER = {"first": 1.0, "tie": 0.5, "second": 0.0}  # of the first response; both bad compares nothing
UNSAFE = {"safe": 0.0, "unsure": 0.5, "unsafe": 1.0}


class Combining(StrEnum):
    """The ways of several people's votes to one opinion."""

    MAJORITY = "majority"
    DAWID_SKENE = "dawid_skene"


@dataclass(frozen=True, slots=True)
class ComparedResponses:
    """Two responses: the chance, 0 to 1, that the first is better, and the people who agree, of all."""

    chance: float
    agree: int
    of: int


@dataclass(frozen=True)
class CombinedVotes:
    """The votes on an item.

    `shares` are the probabilities of answers that were fitted, one mapping for a pair and one for each
    response where safety is asked; none where people count the same.
    """

    item: StoredItem
    votes: tuple[Vote, ...]  # standing first looks with an answer
    settled: Vote | None
    shares: tuple[Mapping[Hashable, float], ...] = ()

    @property
    def answers(self) -> list[VoteAnswer]:
        """The answers that count: the one that settles, else all."""
        voted = self.votes if self.settled is None else (self.settled,)
        return [vote.answer for vote in voted if vote.answer is not None]

    @property
    def both_bad(self) -> float:
        """The probability that both responses of a pair are bad."""
        return self._choices().get("both_bad", 0.0) if self.item.kind == "pair" else 0.0

    def compared(self, one: int, other: int) -> ComparedResponses | None:
        """Compare two responses by number; None where nobody did, and for a pair that is likelier bad."""
        said = [found for vote in self.votes if (found := _better(vote.answer, one, other)) is not None]
        if self.item.kind == "pair":
            choices = self._choices()
            if self.both_bad >= 0.5:
                return None
            shares = {choice: choices.get(choice, 0.0) for choice in BETTER}
            # Divided by their sum, not by 1 - both bad: of equal votes the chance is 1 to the last bit.
            chance = sum(shares[choice] * value for choice, value in BETTER.items()) / sum(shares.values())
            chance = chance if one < other else 1 - chance
        else:
            counted = [found for answer in self.answers if (found := _better(answer, one, other)) is not None]
            if not counted:
                return None
            chance = fmean(counted)
        side = (chance > 0.5) - (chance < 0.5)
        agree = sum((found > 0.5) - (found < 0.5) == side for found in said)
        return ComparedResponses(chance, agree, len(self.votes))

    def scores(self) -> list[float] | None:
        """Return a number for each response, larger is better: its mean rating, or minus its mean rank."""
        if self.item.kind == "ratings":
            rated = [answer.ratings for answer in self.answers if isinstance(answer, RatingsAnswer)]
            return [
                fmean(fmean(each[number].values()) for each in rated)
                for number in range(len(self.item.responses))
            ]
        if self.item.kind == "ranking":
            ranks = [answer.ranks for answer in self.answers if isinstance(answer, RankingAnswer)]
            return [-fmean(each[number] for each in ranks) for number in range(len(self.item.responses))]
        compared = self.compared(0, 1) if self.item.kind == "pair" else None
        return None if compared is None else [compared.chance, 1 - compared.chance]

    def unsafe(self, number: int) -> float | None:
        """Return the chance that a response is unsafe; None where safety was not asked."""
        if self.item.kind != "safety":
            return None
        if self.shares:
            return sum(self.shares[number].get(label, 0.0) * value for label, value in UNSAFE.items())
        return fmean(
            UNSAFE[answer.labels[number]] for answer in self.answers if isinstance(answer, SafetyAnswer)
        )

    def _choices(self) -> Mapping[Hashable, float]:
        if self.shares:
            return self.shares[0]
        given = [answer.choice for answer in self.answers if isinstance(answer, PairAnswer)]
        return {choice: given.count(choice) / len(given) for choice in CHOICES}


def _better(answer: VoteAnswer | None, one: int, other: int) -> float | None:
    """Return 1 where an answer puts one response above the other, 0 below, 0.5 level, or None."""
    match answer:
        case PairAnswer(choice=choice):
            found = BETTER.get(choice)
            return found if found is None or one < other else 1 - found
        case RankingAnswer():
            values = [-float(rank) for rank in answer.ranks]
        case RatingsAnswer(ratings=ratings):
            values = [fmean(each.values()) for each in ratings]
        case _:
            return None
    return 0.5 + 0.5 * ((values[one] > values[other]) - (values[one] < values[other]))


def combine(store: ProjectStore, how: Combining = Combining.MAJORITY) -> list[CombinedVotes]:
    """Combine the votes on each real item that has one, in the order of items."""
    votes: dict[int, list[Vote]] = defaultdict(list)
    for vote in store.standing_votes():
        if vote.look == FIRST and not isinstance(vote.answer, SkipAnswer):
            votes[vote.item].append(vote)
    settled = {vote.item: vote for vote in store.settling_votes()}
    found = [
        CombinedVotes(item, tuple(votes[item.id]), settled.get(item.id))
        for item in store.items(ItemPurpose.REAL)
        if item.id in votes or item.id in settled
    ]
    return found if how is Combining.MAJORITY else _weighed(found)


def _weighed(found: list[CombinedVotes]) -> list[CombinedVotes]:
    """Put in the probabilities of answers that Dawid and Skene's model fits, where an item is not settled."""
    asked = {
        "pair": [
            (each.item.id, vote.person, vote.answer.choice)
            for each in found
            for vote in each.votes
            if isinstance(vote.answer, PairAnswer)
        ],
        "safety": [
            ((each.item.id, number), vote.person, label)
            for each in found
            for vote in each.votes
            if isinstance(vote.answer, SafetyAnswer)
            for number, label in enumerate(vote.answer.labels)
        ],
    }
    fitted: dict[Hashable, Mapping[Hashable, float]] = {}
    for kind, answers in (("pair", CHOICES), ("safety", SAFETY_LABELS)):
        if asked[kind]:
            fit = dawid_skene(asked[kind], answers)
            rows = (dict(zip(fit.answers, row, strict=True)) for row in fit.posterior.tolist())
            fitted |= dict(zip(fit.items, rows, strict=True))
    return [_with_shares(each, fitted) for each in found]


def _with_shares(one: CombinedVotes, fitted: Mapping[Hashable, Mapping[Hashable, float]]) -> CombinedVotes:
    if one.settled is not None or not one.votes:
        return one
    keys: Iterable[Hashable] = ()
    if one.item.kind == "pair":
        keys = (one.item.id,)
    elif one.item.kind == "safety":
        keys = ((one.item.id, number) for number in range(len(one.item.responses)))
    return CombinedVotes(one.item, one.votes, None, tuple(fitted[key] for key in keys))
