"""Strengths of models from people's votes on pairs of their responses, with intervals clustered by person.

A tie is an outcome of its own (Davidson's model, `bradley_terry.py`). "Both bad" says nothing about which of
two is better, so it is no tie and no half win: it is counted for both models and stands apart. The votes of
one person hang together, so the interval is that of people who vote, not of votes:

    variance = H⁻¹ (k/(k - 1) Σ_c g_c g_cᵀ) H⁻¹,   g_c the sum of a person's slopes, H the curvature

with t at k - 1 degrees of freedom, and never narrower than if all votes were independent.

    found = model_strengths([PairVote("a", "b", "first", "ann"), PairVote("b", "a", "tie", "bob")])
    found.models[0].strength

Source: Bradley & Terry 1952, Biometrika 39:324; Davidson 1970, JASA 65:317; Liang & Zeger 1986, Biometrika
73:13 (clusters).
"""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from scipy import stats  # pyright: ignore[reportMissingTypeStubs] - scipy has none

from truing.core.errors import DataError
from truing.core.messages import Sentence, message
from truing.stats.bradley_terry import Compared, Strengths, fit_strengths
from truing.stats.clusters import cluster_codes, clustered_rate
from truing.stats.intervals import Floats, Interval, check_level

PairOutcomeName = Literal["first", "second", "tie", "both_bad"]
PAIR_OUTCOMES: tuple[PairOutcomeName, ...] = get_args(PairOutcomeName)
FEW_PEOPLE = 10  # below which an interval over people is rough
_VALUE = {"first": 1.0, "tie": 0.5, "second": 0.0}


class PairVote(NamedTuple):
    """One person's vote on a response of each of two models."""

    first: str
    second: str
    outcome: PairOutcomeName
    person: Hashable


@dataclass(frozen=True, slots=True)
class ModelStrength:
    """A model among the others. Counts are of votes; `bad` are votes that found both responses bad."""

    model: str
    strength: Interval | None  # log-odds against the mean of all models, whose strengths add up to 0
    undefined: Sentence | None  # why there is no strength
    wins: int
    ties: int
    losses: int
    bad: int
    bad_rate: Interval  # share of all votes on the model that found both bad

    @property
    def votes(self) -> int:
        return self.wins + self.ties + self.losses + self.bad


@dataclass(frozen=True, slots=True)
class ModelTable:
    """All models, the strongest first, and what holds for all of them."""

    models: tuple[ModelStrength, ...]
    people: int
    votes: int
    bad: int
    notes: tuple[Sentence, ...]  # what limits the table


def model_strengths(votes: Sequence[PairVote], *, level: float = 0.95) -> ModelTable:
    """Fit the strengths of all models that were voted on.

    A model has no strength where each of its votes found both bad, and where one person alone voted, for the
    spread among people is then unknown. Models that no chain of votes joins are compared by the prior alone;
    `notes` names them. Raises DataError for no votes, an unknown outcome, and a model against itself.
    """
    check_level(level)
    if not votes:
        raise DataError("there is no vote on a pair of models", hint="vote on pairs whose models are named")
    for vote in votes:
        if vote.outcome not in PAIR_OUTCOMES or vote.first == vote.second:
            raise DataError(
                f"the vote {vote.outcome!r} on {vote.first} against {vote.second} cannot be counted",
                hint=f"give two models, and one of {', '.join(PAIR_OUTCOMES)}",
            )
    names = sorted({name for vote in votes for name in vote[:2]})
    decided = [vote for vote in votes if vote.outcome != "both_bad"]
    intervals = _intervals(decided, level) if decided else {}
    people = len({vote.person for vote in votes})
    rows = [_row(name, votes, intervals.get(name), _why(name, decided), level) for name in names]
    rows.sort(key=lambda row: -row.strength.estimate if row.strength else math.inf)
    bad = len(votes) - len(decided)
    return ModelTable(tuple(rows), people, len(votes), bad, _notes(decided, people))


def _row(
    name: str, votes: Sequence[PairVote], strength: Interval | None, why: Sentence | None, level: float
) -> ModelStrength:
    """Count the votes on a model."""
    on = [vote for vote in votes if name in vote[:2]]
    ends = Counter(_end(vote, name) for vote in on)
    bad = [float(vote.outcome == "both_bad") for vote in on]
    rate = clustered_rate(bad, [vote.person for vote in on], level=level)
    return ModelStrength(name, strength, why, ends["won"], ends["tie"], ends["lost"], ends["both_bad"], rate)


def _end(vote: PairVote, name: str) -> str:
    if vote.outcome in ("tie", "both_bad"):
        return vote.outcome
    return "won" if (vote.first if vote.outcome == "first" else vote.second) == name else "lost"


def _intervals(decided: Sequence[PairVote], level: float) -> dict[str, Interval]:
    """Return the interval of each model with a vote for a side or a tie; none where one person voted."""
    code, k = cluster_codes([vote.person for vote in decided], len(decided))
    if k < 2:
        return {}
    names = list(dict.fromkeys(name for vote in decided for name in vote[:2]))
    place = {name: i for i, name in enumerate(names)}
    rows = [(place[vote.first], place[vote.second], _VALUE[vote.outcome]) for vote in decided]
    fitted = fit_strengths([Compared(*row, float(times)) for row, times in Counter(rows).items()], len(names))
    sums = np.zeros((k, len(names) + 1))
    np.add.at(sums, code, _slopes(fitted, rows))
    spread = fitted.covariance @ (sums.T @ sums * (k / (k - 1))) @ fitted.covariance
    # Votes say nothing of the strength that all models share: without it the prior's own doubt is left out.
    centre = np.eye(len(names) + 1)
    centre[:-1, :-1] -= 1 / len(names)
    variances = [np.diag(centre @ one @ centre) for one in (spread, fitted.covariance)]
    t = float(stats.t.ppf((1 + level) / 2, k - 1))  # pyright: ignore[reportUnknownMemberType] - scipy has no types
    halves = t * np.sqrt(np.maximum(*variances))
    return {
        name: Interval(float(strength), float(strength - half), float(strength + half), round(n))
        for name, strength, half, n in zip(names, fitted.strengths, halves, fitted.compared, strict=False)
    }


def _slopes(fitted: Strengths, rows: Sequence[tuple[int, int, float]]) -> Floats:
    """Return the slope of each vote's log-likelihood in the strengths and τ, [votes, models + 1]."""
    first, second, value = np.array(rows).T
    first, second = first.astype(int), second.astype(int)
    half = (fitted.strengths[first] - fitted.strengths[second]) / 2
    powers = np.exp(np.stack([half, np.full_like(half, fitted.tie), -half], axis=1))
    win, tie, loss = (powers / powers.sum(1, keepdims=True)).T
    # d log P/dd = ([won] - [lost] - P(won) + P(lost))/2 of d, the difference of strengths.
    pull = ((value == 1.0) - (value == 0.0) * 1.0 - win + loss) / 2
    slopes = np.zeros((len(rows), len(fitted.strengths) + 1))
    slopes[np.arange(len(rows)), first] += pull
    slopes[np.arange(len(rows)), second] -= pull
    slopes[:, -1] = (value == 0.5) - tie
    return slopes


def _why(name: str, decided: Sequence[PairVote]) -> Sentence | None:
    """Say why a model has no strength; None where it has one."""
    if not any(name in vote[:2] for vote in decided):
        return message("every vote on {model} found both responses bad", model=name)
    if len({vote.person for vote in decided}) < 2:
        return message("one person voted, so the spread among people is unknown")
    return None


def _notes(decided: Sequence[PairVote], people: int) -> tuple[Sentence, ...]:
    """Say what limits the table: few people, and groups of models that nothing compares."""
    notes: list[Sentence] = []
    groups: list[set[str]] = []
    for pair in {frozenset(vote[:2]) for vote in decided}:
        joined = [group for group in groups if group & pair]
        groups = [group for group in groups if not group & pair] + [set(pair).union(*joined)]
    if len(groups) > 1:
        said = "no chain of votes joins these groups of models, so nothing compares them: {groups}"
        notes.append(message(said, groups="; ".join(sorted(", ".join(sorted(group)) for group in groups))))
    if 2 <= people < FEW_PEOPLE:
        said = "only {people} people voted: intervals over people are rough below {few}"
        notes.append(message(said, people=people, few=FEW_PEOPLE))
    return tuple(notes)
