"""True answers of items from the votes of people who err: the model of Dawid and Skene, fitted by EM.

Each person has a table of confusion: the chance to give an answer where another one is true. Who is often
at odds with the others counts less, and who takes one answer for another is read accordingly. What comes
out is a probability of each answer of each item, so the doubt that the votes leave is kept.

    found = dawid_skene([("q1", "ann", "first"), ("q1", "bob", "tie"), ("q2", "ann", "second")])
    found.of("q1")            {"first": 0.93, "second": 0.03, "tie": 0.04}

Items are taken to be equally hard, and people to err apart from each other: where all err alike, the model
believes them.

Source: Dawid & Skene 1979, Applied Statistics 28:20.
"""

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from truing.core.errors import DataError
from truing.stats.intervals import Floats

# Pseudo-votes that each row of a table of confusion begins with, half of them right. Without them a person
# of three votes is believed to be never wrong.
SMOOTHING = 2.0
# Gain of a step, as a share of the whole, below which it is the last.
SETTLED = 1e-9

Places = NDArray[np.int64]
PersonsAnswer = tuple[Hashable, Hashable, Hashable]  # item, person, answer


@dataclass(frozen=True)
class TrueAnswers:
    """The answers that votes make likely, and how each person errs, in the order of the three lists."""

    items: tuple[Hashable, ...]
    people: tuple[Hashable, ...]
    answers: tuple[Hashable, ...]
    posterior: Floats  # [items, answers] f64, rows add up to 1
    confusion: Floats  # [people, true answers, given answers] f64, rows add up to 1
    shares: Floats  # [answers] f64: how common each answer is
    steps: int
    settled: bool  # False where the steps ended before the fit did

    def of(self, item: Hashable) -> dict[Hashable, float]:
        """Return the probability of each answer of an item. Raises DataError for an item without votes."""
        if item not in self.items:
            raise DataError(f"the item {item!r} has no votes", hint="ask for an item that was voted on")
        return dict(zip(self.answers, self.posterior[self.items.index(item)].tolist(), strict=True))

    def accuracy(self) -> list[float]:
        """Return for each person the chance of giving the true answer, over the answers' shares."""
        right = np.diagonal(self.confusion, axis1=1, axis2=2)
        return (right @ self.shares).tolist()


def dawid_skene(
    votes: Iterable[PersonsAnswer],
    answers: Sequence[Hashable] | None = None,
    *,
    smoothing: float = SMOOTHING,
    max_steps: int = 1000,
) -> TrueAnswers:
    """Fit true answers, tables of confusion π and shares p to votes (item, person, answer).

        P(true answer j of item i | votes) ∝ p_j Π over votes of π[person, j, given answer]

    A person may vote on an item several times. `answers` are all that could be given, by default those that
    were. EM starts from the shares of votes and raises the log-posterior at each step. With `smoothing` 0 it
    is the maximum likelihood of the paper. Otherwise a row of π begins with that many pseudo-votes, half of
    them right, the rest spread over the other answers, and p with as many, spread evenly: a Dirichlet prior.
    Raises DataError for no votes, and for an answer that is not among `answers`.
    """
    given = list(votes)
    if not given:
        raise DataError("there is no vote", hint="give at least one (item, person, answer)")
    if smoothing < 0 or max_steps < 1:
        raise ValueError(f"smoothing must be 0 or more, and steps 1 or more, not {smoothing} and {max_steps}")
    items, item = _places([one[0] for one in given])
    people, person = _places([one[1] for one in given])
    known, answer = _places([one[2] for one in given], answers)
    cell, cells = person * len(known) + answer, len(people) * len(known)
    prior_row, prior_shares = _pseudo_votes(len(known), smoothing)
    posterior = _shares(_added(np.eye(len(known))[answer], item, len(items)))

    def learnt() -> tuple[Floats, Floats]:
        """Return the shares and the tables of confusion that the posterior makes likeliest."""
        counted = _added(posterior.take(item, 0), cell, cells).reshape(-1, len(known), len(known))
        return _shares(posterior.sum(0) + prior_shares), _shares(counted.swapaxes(1, 2) + prior_row)

    shares, confusion = learnt()
    before, settled, step = -math.inf, False, 0
    while step < max_steps and not settled:
        step += 1
        said = _log(confusion).swapaxes(1, 2).reshape(cells, len(known))
        logs = _log(shares) + _added(said.take(cell, 0), item, len(items))
        highest = logs.max(1, keepdims=True)
        raised = np.exp(logs - highest)
        total = raised.sum(1, keepdims=True)
        posterior = raised / total
        after = float((np.log(total) + highest).sum() + _inner(prior_row, confusion))
        after += _inner(prior_shares, shares)
        settled = after - before <= SETTLED * abs(after)
        before = after
        shares, confusion = learnt()
    return TrueAnswers(items, people, known, posterior, confusion, shares, step, settled)


def _places(
    values: Sequence[Hashable], known: Sequence[Hashable] | None = None
) -> tuple[tuple[Hashable, ...], Places]:
    """Return the distinct values, and the place of each value among them, [n] i64."""
    place = {value: i for i, value in enumerate(dict.fromkeys(values if known is None else known))}
    if strange := [value for value in values if value not in place]:
        raise DataError(
            f"the answer {strange[0]!r} is none of {', '.join(map(repr, place))}",
            hint="list every answer that can be given",
        )
    return tuple(place), np.array([place[value] for value in values], dtype=np.int64)


def _pseudo_votes(size: int, smoothing: float) -> tuple[Floats, Floats]:
    """Return the pseudo-votes of a table of confusion, [k, k], and of the shares, [k]."""
    if size == 1:
        return np.full((1, 1), smoothing), np.full(1, smoothing)
    row = np.full((size, size), smoothing / 2 / (size - 1))
    np.fill_diagonal(row, smoothing / 2)
    return row, np.full(size, smoothing / size)


def _added(rows: Floats, place: Places, size: int) -> Floats:
    """Add up rows [n, k] of one place, [size, k]."""
    columns = [np.bincount(place, weights=column, minlength=size) for column in rows.T]
    return np.stack(columns).astype(np.float64).T  # whose sums over k run over long rows of memory


def _shares(counts: Floats) -> Floats:
    """Divide counts by their sum over the last axis; a row of zeros, of an answer never true, is even."""
    total = counts.sum(-1, keepdims=True)
    return np.divide(counts, total, out=np.full_like(counts, 1 / counts.shape[-1]), where=total > 0)


def _log(shares: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.log(shares)


def _inner(weights: Floats, shares: Floats) -> float:
    """Return Σ weights · log shares, where a weight of 0 counts as 0."""
    return float(np.where(weights > 0, weights * _log(shares), 0.0).sum()) if weights.any() else 0.0
