"""Strengths of responses from comparisons of pairs: the Bradley-Terry model, with ties as an outcome.

Davidson's model gives two responses whose strengths differ by d = sᵢ - sⱼ the outcomes

    P(i wins) = e^(d/2)/Z,   P(tie) = e^τ/Z,   P(j wins) = e^(-d/2)/Z,   Z = e^(d/2) + e^τ + e^(-d/2)

With a normal prior on strengths and on τ the log-posterior is concave and has one maximum, also where one
response wins every comparison, as often happens among the four responses of a prompt. Uncertainty is that of
the normal distribution around the maximum (Laplace). The prior is centred, so strengths of a group add up
to 0. Many groups, such as the prompts of a file, are fitted at once; they may share τ, for the readiness of
a judge to call a tie is the judge's and not the prompt's.

    fitted = fit_strengths([Compared(0, 1, 1.0), Compared(1, 2, 0.5)], n=3)
    fitted.outcome(0, 2).preference

Source: Bradley & Terry 1952, Biometrika 39:324; Davidson 1970, Journal of the American Statistical
Association 65:317, whose ν is e^τ.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import stats  # pyright: ignore[reportMissingTypeStubs] - scipy has none
from scipy.special import softmax  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from truing.core.errors import DataError
from truing.stats.intervals import Floats, Interval, check_level

# Standard deviation of the prior on a strength: the odds of nine pairs in ten lie between 1/33 and 33.
SPREAD = 1.5
# Mean and deviation of the prior on τ: equal responses tie in 16 %, two deviations off in 1 and 78 %.
TIES = (-1.0, 1.5)
MAX_STEPS = 100
# Half the difference of strengths, as it enters the three outcomes: i wins, tie, j wins.
_HALF = np.array([0.5, 0.0, -0.5])
_TIE = np.array([0.0, 1.0, 0.0])


class Compared(NamedTuple):
    """One comparison of two responses of a group, by their places, or that many `times`.

    A verdict that gives the first response a probability p is two comparisons, with p and 1 - p times.
    """

    first: int
    second: int
    outcome: float  # 1 if the first is better, 0 if the second is, ½ for a tie
    times: float = 1.0


@dataclass(frozen=True, slots=True)
class PairOutcome:
    """The predicted outcome of a comparison, with the standard errors that the fit leaves."""

    win: float
    tie: float
    loss: float
    win_error: float
    tie_error: float
    loss_error: float
    difference: float  # of strengths, in log-odds
    difference_error: float
    preference: float  # win + tie/2: the soft label of a pair
    preference_error: float


@dataclass(frozen=True)
class Strengths:
    """The strengths of the n responses of a group in log-odds, which add up to 0, and τ."""

    strengths: Floats  # [n]
    tie: float  # τ: equal responses tie with probability e^τ/(2 + e^τ)
    covariance: Floats  # [n + 1, n + 1] of the strengths and, last, of τ
    compared: tuple[float, ...]  # comparisons of each response

    def outcome(self, first: int, second: int) -> PairOutcome:
        """Predict a comparison of two responses; errors are by the delta method."""
        difference = float(self.strengths[first] - self.strengths[second])
        chances = _chances(np.array([difference]), np.array([self.tie]))[0]
        # ∂p/∂z of a softmax is diag(p) - p·pᵀ, and z is linear in the difference and τ.
        slopes = (np.diag(chances) - np.outer(chances, chances)) @ np.stack([_HALF, _TIE], 1)
        mapped = np.zeros((2, len(self.covariance)))
        mapped[0, first] += 1
        mapped[0, second] -= 1
        mapped[1, -1] = 1
        spread = mapped @ self.covariance @ mapped.T
        win, tie, loss = chances.tolist()
        errors = np.sqrt(np.einsum("ij,jk,ik->i", slopes, spread, slopes)).tolist()
        preferred = slopes[0] + slopes[1] / 2
        return PairOutcome(
            win,
            tie,
            loss,
            *errors,
            difference=difference,
            difference_error=math.sqrt(spread[0, 0]),
            preference=win + tie / 2,
            preference_error=math.sqrt(preferred @ spread @ preferred),
        )

    def intervals(self, level: float = 0.95) -> list[Interval | None]:
        """Return the interval of each strength; None for a response that was never compared."""
        check_level(level)
        z = float(stats.norm.ppf((1 + level) / 2))  # pyright: ignore[reportUnknownMemberType] - scipy has no types
        half = z * np.sqrt(np.diag(self.covariance))
        return [
            Interval(float(s), float(s - h), float(s + h), max(1, round(n))) if n else None
            for s, h, n in zip(self.strengths, half, self.compared, strict=False)
        ]


def fit_strengths(
    comparisons: Sequence[Compared],
    n: int,
    *,
    spread: float = SPREAD,
    ties: tuple[float, float] = TIES,
) -> Strengths:
    """Fit the strengths of n responses, numbered from 0, and τ; see `fit_groups`."""
    return fit_groups([comparisons], [n], spread=spread, ties=ties)[0]


def fit_groups(
    groups: Sequence[Sequence[Compared]],
    sizes: Sequence[int],
    *,
    shared_ties: bool = True,
    spread: float = SPREAD,
    ties: tuple[float, float] = TIES,
) -> list[Strengths]:
    """Fit independent groups of `sizes` responses each, with one τ for all or one for each group.

        maximise  Σ times·log P(outcome) - Σ s²/(2 spread²) - Σ (τ - ties[0])²/(2 ties[1]²)

    A group without comparisons has strengths of 0 with the spread of the prior. Raises DataError for a
    comparison of a response with itself or with none, and for outcomes other than 1, ½ and 0.
    """
    if not groups:
        return []
    rows = _rows(groups, sizes)
    shape = len(groups), max(sizes)
    model = _Posterior(rows, shape, shared_ties, spread, ties)
    strengths, tau = model.maximum()
    covariances = model.covariances(strengths, tau)
    compared = np.zeros(shape)
    for column in (1, 2):
        np.add.at(compared, (rows[:, 0].astype(int), rows[:, column].astype(int)), rows[:, 4])
    return [
        Strengths(
            strengths[g, :n],
            float(tau[g if len(tau) > 1 else 0]),
            covariances[g][np.ix_([*range(n), -1], [*range(n), -1])],
            tuple(compared[g, :n].tolist()),
        )
        for g, n in enumerate(sizes)
    ]


def _rows(groups: Sequence[Sequence[Compared]], sizes: Sequence[int]) -> Floats:
    """Return the comparisons of all groups, [m, 5]: group, first, second, outcome, times."""
    if len(groups) != len(sizes) or min(sizes) < 1:
        raise DataError(
            f"{len(groups)} groups of comparisons but the sizes {list(sizes)[:9]}",
            hint="give the number of responses of each group",
        )
    for place, (comparisons, n) in enumerate(zip(groups, sizes, strict=True)):
        for first, second, outcome, times in comparisons:
            if not (0 <= first < n and 0 <= second < n and first != second):
                raise DataError(
                    f"group {place} compares the responses {first} and {second} of {n}",
                    hint="number two different responses from 0",
                )
            if outcome not in (0, 0.5, 1) or not 0 < times < math.inf:
                raise DataError(
                    f"group {place} has the outcome {outcome}, {times} times",
                    hint="outcomes are 1, 0.5 and 0; a probability p is two, p and 1 - p times",
                )
    listed = [(g, *one) for g, comparisons in enumerate(groups) for one in comparisons]
    return np.array(listed, dtype=np.float64).reshape(-1, 5)


def _chances(difference: Floats, tie: Floats) -> Floats:
    """Return the chances of win, tie and loss, [m, 3]."""
    chances: Any = softmax(difference[:, None] * _HALF + tie[:, None] * _TIE, axis=1)
    return chances


class _Posterior:
    """The negative log-posterior of all groups; strengths are [G, K], τ is [1] where shared, else [G]."""

    def __init__(
        self, rows: Floats, shape: tuple[int, int], shared: bool, spread: float, ties: tuple[float, float]
    ) -> None:
        if not (spread > 0 and ties[1] > 0):
            raise ValueError(f"the priors need positive deviations, not {spread} and {ties[1]}")
        self.group, self.first, self.second = rows[:, :3].astype(int).T
        self.place = ((1 - rows[:, 3]) * 2).astype(int)  # of the outcome among win, tie, loss
        self.times = rows[:, 4]
        self.shape = shape
        self.tie_of = np.zeros(shape[0], dtype=int) if shared else np.arange(shape[0])
        self.precision, self.tie_precision, self.tie_mean = spread**-2, ties[1] ** -2, ties[0]

    def maximum(self) -> tuple[Floats, Floats]:
        """Return strengths and τ at the maximum, by Newton's steps, halved where they overshoot."""
        strengths = np.zeros(self.shape)
        tau = np.full(self.tie_of.max() + 1, self.tie_mean)
        value = self.value(strengths, tau)
        rounding = 1e-12 * (1 + float(self.times.sum()))  # of `value`, with room
        for _ in range(MAX_STEPS):
            slopes, tie_slopes, blocks, border, corner = self.slopes(strengths, tau)
            ahead, of_border = self._solve(blocks, slopes, border)
            left = corner - self._by_tie((border * of_border).sum(1))
            tie_step = (tie_slopes - self._by_tie((border * ahead).sum(1))) / left
            step = ahead - of_border * tie_step[self.tie_of][:, None]
            gain = float((slopes * step).sum() + (tie_slopes * tie_step).sum())
            length = 1.0
            while (
                after := self.value(strengths - length * step, tau - length * tie_step)
            ) > value - 1e-4 * length * gain + rounding:
                length /= 2
            strengths, tau, value = strengths - length * step, tau - length * tie_step, after
            if gain < rounding:  # the error left is about its square
                return strengths, tau
        raise AssertionError(f"Newton's steps did not converge in {MAX_STEPS} steps")

    def value(self, strengths: Floats, tau: Floats) -> float:
        chances = self._outcomes(strengths, tau)
        fit = -float(self.times @ np.log(chances[np.arange(len(chances)), self.place]))
        prior = (
            self.precision * (strengths**2).sum() + self.tie_precision * ((tau - self.tie_mean) ** 2).sum()
        )
        return fit + float(prior) / 2

    def slopes(self, strengths: Floats, tau: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Return gradient and Hessian: [G, K], [T], blocks [G, K, K], border [G, K], corner [T]."""
        chances = self._outcomes(strengths, tau)
        miss = (chances - np.eye(3)[self.place]) * self.times[:, None]
        curve = self.times[:, None, None] * (
            chances[:, :, None] * np.eye(3) - chances[:, :, None] * chances[:, None, :]
        )
        slopes = self.precision * strengths
        blocks = np.zeros((*self.shape, self.shape[1]))
        blocks[:, np.arange(self.shape[1]), np.arange(self.shape[1])] = self.precision
        border = np.zeros(self.shape)
        pulled, twice, cross = miss @ _HALF, curve @ _HALF @ _HALF, curve @ _HALF @ _TIE
        for one, sign in ((self.first, 1.0), (self.second, -1.0)):
            np.add.at(slopes, (self.group, one), sign * pulled)
            np.add.at(border, (self.group, one), sign * cross)
            np.add.at(blocks, (self.group, one, one), twice)
        np.add.at(blocks, (self.group, self.first, self.second), -twice)
        np.add.at(blocks, (self.group, self.second, self.first), -twice)
        which = self.tie_of[self.group]
        tie_slopes = self.tie_precision * (tau - self.tie_mean)
        np.add.at(tie_slopes, which, miss @ _TIE)
        corner = np.full(len(tau), self.tie_precision)
        np.add.at(corner, which, curve @ _TIE @ _TIE)
        return slopes, tie_slopes, blocks, border, corner

    def covariances(self, strengths: Floats, tau: Floats) -> Floats:
        """Return the inverse Hessian's block of each group with τ last, [G, K + 1, K + 1]."""
        _, _, blocks, border, corner = self.slopes(strengths, tau)
        inverse = np.linalg.inv(blocks)
        of_border = np.einsum("gij,gj->gi", inverse, border)
        tied = 1 / (corner - self._by_tie((border * of_border).sum(1)))[self.tie_of]
        size = self.shape[1]
        found = np.empty((self.shape[0], size + 1, size + 1))
        found[:, :size, :size] = inverse + tied[:, None, None] * of_border[:, :, None] * of_border[:, None, :]
        found[:, :size, size] = found[:, size, :size] = -tied[:, None] * of_border
        found[:, size, size] = tied
        return found

    def _outcomes(self, strengths: Floats, tau: Floats) -> Floats:
        """Return the chances of the three outcomes of each comparison, [m, 3]."""
        gap = strengths[self.group, self.first] - strengths[self.group, self.second]
        return _chances(gap, tau[self.tie_of[self.group]])

    def _solve(self, blocks: Floats, *sides: Floats) -> tuple[Floats, ...]:
        solved: Any = np.linalg.solve(blocks, np.stack(sides, axis=2))
        return tuple(solved[:, :, i] for i in range(len(sides)))

    def _by_tie(self, values: Floats) -> Floats:
        """Add up values [G] of the groups of each τ, [T]."""
        return np.bincount(self.tie_of, weights=values, minlength=self.tie_of.max() + 1).astype(np.float64)
