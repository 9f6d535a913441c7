"""Votes that stand, as the statistics take them: ratings by question, votes on models, votes of each person.

    read = read_votes(store)
    read.questions[0].given        one mapping of person to rating for each unit
    read.pairs, read.raters

A unit is what two people can agree on: the choice of a pair; each two responses of a ranking; each response
on each axis of ratings; each response's safety. Units of one item belong together. Edited texts are not
compared. Skips, training items and second looks are left out of the questions; gold items are too, since
everybody sees them and they are easier than others.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from truing.stats.model_strengths import PairVote
from truing.stats.raters import RaterVote
from truing.stats.ratings import RatingScale
from truing.store.answers import (
    CHOICES,
    SAFETY_LABELS,
    STARS,
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

PAIR, RANKING, SAFETY = "pair", "ranking", "safety"
RATING = "rating: {axis}"
EARLIER, EQUAL, LATER = 1, 0, -1  # which of two responses of a ranking is the better one
RatedUnit = tuple[int, Hashable]  # an item, and what of it


@dataclass(frozen=True)
class QuestionVotes:
    """Answers of people to one question: by unit, with the item of each unit."""

    name: str
    scale: RatingScale
    labels: tuple[Any, ...]  # all that can be said
    given: tuple[Mapping[int, Any], ...]  # person to rating, one mapping a unit
    items: tuple[int, ...]  # the item of each unit


@dataclass(frozen=True)
class ReadVotes:
    """Everything that the votes of a project say, without names of people."""

    questions: tuple[QuestionVotes, ...]
    pairs: tuple[PairVote, ...]
    raters: tuple[RaterVote, ...]
    items: Mapping[int, StoredItem]  # those with a vote
    votes: int
    skips: int
    flagged: int  # items


def read_votes(store: ProjectStore) -> ReadVotes:
    """Read the votes that stand."""
    votes = [vote for vote in store.standing_votes() if vote.answer is not None]
    items = store.get_items({vote.item for vote in votes})
    units: dict[str, dict[RatedUnit, dict[int, Any]]] = defaultdict(lambda: defaultdict(dict))
    real = [v for v in votes if v.look == FIRST and items[v.item].purpose is ItemPurpose.REAL]
    for vote in real:
        for question, unit, rating in _ratings(vote.answer):
            units[question][vote.item, unit][vote.person] = rating
    questions = [
        QuestionVotes(name, *_scale(name), tuple(given.values()), tuple(item for item, _ in given))
        for name, given in sorted(units.items())
    ]
    return ReadVotes(
        tuple(questions),
        tuple(pair for vote in real if (pair := _model_vote(vote, items[vote.item]))),
        tuple(_rater_votes(votes, items)),
        items,
        len(real),
        sum(isinstance(vote.answer, SkipAnswer) for vote in real),
        len({vote.item for vote in votes if vote.flag}),
    )


def _scale(question: str) -> tuple[RatingScale, tuple[Any, ...]]:
    """Return the scale of a question, and all that can be said."""
    if question == PAIR:
        return "nominal", CHOICES
    if question == SAFETY:
        return "nominal", SAFETY_LABELS
    if question == RANKING:
        return "ordinal", (EARLIER, EQUAL, LATER)
    return "ordinal", tuple(STARS)


def _ratings(answer: VoteAnswer | None) -> Iterator[tuple[str, Hashable, Any]]:
    """Yield the question, the unit within the item, and the rating, for each unit of an answer."""
    match answer:
        case PairAnswer():
            yield PAIR, None, answer.choice
        case SafetyAnswer():
            yield from ((SAFETY, place, label) for place, label in enumerate(answer.labels))
        case RankingAnswer():
            for one, other in combinations(range(len(answer.ranks)), 2):
                gap = answer.ranks[other] - answer.ranks[one]
                yield RANKING, (one, other), EARLIER if gap > 0 else LATER if gap < 0 else EQUAL
        case RatingsAnswer():
            for place, rated in enumerate(answer.ratings):
                yield from ((RATING.format(axis=axis), place, stars) for axis, stars in rated.items())
        case _:
            return


def _model_vote(vote: Vote, item: StoredItem) -> PairVote | None:
    """Return a pair's vote as one on the models of its responses; None where they are not two models."""
    if not isinstance(vote.answer, PairAnswer) or (models := item.two_models) is None:
        return None
    return PairVote(*models, vote.answer.choice, vote.person)


def _rater_votes(votes: list[Vote], items: Mapping[int, StoredItem]) -> Iterator[RaterVote]:
    """Yield the first looks of all people, skips and training left out, with their second looks beside."""
    again = {(vote.person, vote.item): vote.answer for vote in votes if vote.look != FIRST}
    for vote in votes:
        item, answer = items[vote.item], vote.answer
        if vote.look != FIRST or item.purpose is ItemPurpose.TRAINING or isinstance(answer, SkipAnswer):
            continue
        assert answer is not None
        later = again.get((vote.person, vote.item))
        yield RaterVote(
            vote.person,
            vote.item,
            _compared(answer) if isinstance(answer, PairAnswer | SafetyAnswer) else None,
            seconds=vote.seconds,
            shown_first=_shown_first(vote, answer),
            right=None if item.gold is None else alike(answer, item.gold),
            same=None if later is None or isinstance(later, SkipAnswer) else alike(answer, later),
        )


def alike(one: VoteAnswer, other: VoteAnswer) -> bool | None:
    """Return whether two answers say the same; None for edited texts, which are not compared.

    Ratings are alike where none differs by more than one star.
    """
    if isinstance(one, RatingsAnswer) and isinstance(other, RatingsAnswer):
        return all(
            abs(stars - theirs[axis]) <= 1
            for ours, theirs in zip(one.ratings, other.ratings, strict=True)
            for axis, stars in ours.items()
        )
    ours, theirs = _compared(one), _compared(other)
    return None if ours is None or theirs is None else ours == theirs


def _compared(answer: VoteAnswer) -> Hashable:
    """Return what of an answer is compared; None where nothing is."""
    match answer:
        case PairAnswer():
            return answer.choice
        case SafetyAnswer():
            return answer.labels
        case RankingAnswer():
            return answer.ranks
        case _:
            return None


def _shown_first(vote: Vote, answer: VoteAnswer) -> bool | None:
    """Return whether the response on the first side was chosen; None where neither was, or nobody knows."""
    if not vote.order or not isinstance(answer, PairAnswer) or answer.choice not in ("first", "second"):
        return None
    return vote.order[0] == ("first", "second").index(answer.choice)
