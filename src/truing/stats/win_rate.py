"""Win rates: the share of a policy's responses preferred to a baseline's, raw and controlled for length.

Judges prefer long responses. The raw win rate is the share of prompts where the judge preferred the policy.
The length-controlled rate models the judge and estimates that share without the difference in length. Both
are shown together. `from_alpaca` reads annotations of AlpacaEval; `alpaca_win_rate` recomputes the numbers
that its leaderboard prints, in percent. All other rates here lie in [0, 1].
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit  # pyright: ignore[reportMissingTypeStubs] - scipy has none

from truing.core.errors import DataError
from truing.core.messages import message
from truing.stats.clusters import (
    Measured,
    cluster_codes,
    clustered_error,
    clustered_rate,
    measured,
    resample_counts,
)
from truing.stats.intervals import Interval, check_level, wilson_bounds

# Keeps the weights finite when one side always wins; about 0.1 points on 100 straight wins.
RIDGE = 0.01
# Precision of the prior on the length weight, whose spread is then 0.8: two judges in three change the odds
# of a much longer response at most 2.3-fold. Of 0.5, 1, 1.5 .. 4 it agrees best with AlpacaEval 2, on either
# half of the models in tests/stats/test_win_rate_published.py.
LENGTH_PRIOR = 1.5
# Spread of the length feature, as a share of its mean square, below which it looks like the intercept.
MIN_SPREAD = 0.01
# Probabilities of resamples held at once, so that they stay in the processor's cache.
CHUNK = 100_000
MAX_STEPS = 200


@dataclass(frozen=True, slots=True)
class Judged:
    """A judge's preference between the policy's response to a prompt and the baseline's, over both orders.

    `preference` is 1 for the policy, 0 for the baseline, ½ for a tie or where the orders contradict, and None
    where there is no verdict. Lengths are in one unit, characters as a rule. `difficulty` of the prompt, if
    known, is in log-odds, such as the mean result of other policies on the prompt.
    """

    prompt: str
    preference: float | None
    length: int
    baseline_length: int
    difficulty: float | None = None

    def __post_init__(self) -> None:
        if self.preference is not None and not 0 <= self.preference <= 1:
            raise DataError(
                f"the preference {self.preference:g} of prompt {self.prompt!r} is none",
                hint="a preference lies between 0 (baseline) and 1 (policy); None stands for no verdict",
            )
        if min(self.length, self.baseline_length) < 0:
            raise DataError(
                f"the lengths {self.length} and {self.baseline_length} of prompt {self.prompt!r} are none"
            )


@dataclass(frozen=True, slots=True)
class LengthControlled:
    """The win rate at equal length, and the log-odds that a much longer response gains by its length."""

    interval: Interval
    length_effect: float


@dataclass(frozen=True, slots=True)
class WinRate:
    """The raw win rate with its standard error and counts, and the length-controlled one beside it."""

    raw: Measured
    standard_error: float  # clustered by prompt
    wins: int  # preferences above ½, such as one order won and the other tied
    ties: int
    losses: int
    length_controlled: LengthControlled | None
    not_controlled: str = ""  # why there is no length-controlled one


@dataclass(frozen=True, slots=True)
class AlpacaWinRate:
    """The numbers that AlpacaEval prints of one policy; rates and the standard error are in percent."""

    win_rate: float
    standard_error: float
    discrete_win_rate: float
    wins: int
    losses: int
    ties: int
    missing: int


def win_rate(judged: Sequence[Judged], *, seed: int = 0, level: float = 0.95) -> WinRate:
    """Compute both win rates. Raises DataError if fewer than two prompts have a verdict."""
    decided = [row for row in judged if row.preference is not None]
    preferences = [row.preference for row in decided if row.preference is not None]
    if not decided:
        raise DataError(f"none of {len(judged)} comparisons has a verdict", hint="see the judge's errors")

    controlled, reason = None, ""
    try:
        controlled = length_controlled(decided, seed=seed, level=level)
    except DataError as error:
        reason = error.message
    return WinRate(
        raw=measured(
            [row.preference for row in judged],
            [row.prompt for row in judged],
            partial(clustered_rate, level=level),
        ),
        standard_error=clustered_error(preferences, [row.prompt for row in decided]),
        wins=sum(value > 0.5 for value in preferences),
        ties=sum(value == 0.5 for value in preferences),
        losses=sum(value < 0.5 for value in preferences),
        length_controlled=controlled,
        not_controlled=reason,
    )


def length_controlled(
    judged: Sequence[Judged], *, seed: int = 0, level: float = 0.95, draws: int = 2000
) -> LengthControlled:
    """Estimate the policy's win rate if no response were longer than its rival.

        P(win) = σ(θ + φ·tanh(Δ/std(Δ)) + ψ·γ),   Δ = length - baseline length,  γ = difficulty
        length-controlled win rate = mean of σ(θ + ψ·γ)

    θ, φ and ψ by logistic regression on the preferences, with ties as ½, a prior on φ (`LENGTH_PRIOR`) and a
    small ridge. γ is the difficulty where prompts have one, else log(1 + baseline length), standardised.
    Without γ, losses of a weak policy on prompts that ask for long responses would be put down to the short
    length of its responses. The prior draws the result towards the raw rate where comparisons are few: by
    about a point at 200 comparisons with a judge that triples the odds of a longer response.
    The interval is a percentile bootstrap over prompts, fixed by its seed, and never surer than that of k
    prompts that are all won. Comparisons without a verdict are left out.
    Source: Dubois et al. 2024, arXiv:2404.04475. AlpacaEval itself estimates γ from all models of its
    leaderboard together; docs/evaluation.md compares the two.
    Raises DataError when a difference in length cannot be told from one in quality.
    """
    check_level(level)
    decided = [row for row in judged if row.preference is not None]
    if len(decided) < 2:
        few = "{n} comparisons with a verdict are too few to control for length"
        raise DataError(message(few, n=len(decided)))
    y = np.array([row.preference for row in decided], dtype=np.float64)
    features = np.column_stack([np.ones(len(y)), _length_feature(decided), _difficulties(decided)])
    ridge = np.array([RIDGE, LENGTH_PRIOR, RIDGE])
    weights = _fit(features, y, np.ones((1, len(y))), np.zeros((1, features.shape[1])), ridge)
    at_equal_length = features.copy()
    at_equal_length[:, 1] = 0

    code, k = cluster_codes([row.prompt for row in decided], len(y))
    rates: list[NDArray[np.float64]] = []
    for drawn in resample_counts(k, draws, seed, CHUNK // len(y)):
        counts = drawn[:, code]
        fitted = _fit(features, y, counts, np.repeat(weights, len(counts), axis=0), ridge)
        predicted = expit(fitted @ at_equal_length.T)
        rates.append((predicted * counts).sum(1) / counts.sum(1))
    low, high = np.quantile(np.concatenate(rates), [(1 - level) / 2, (1 + level) / 2]).tolist()
    surest, _ = wilson_bounds(1, k, level)
    estimate = float(expit(at_equal_length @ weights[0]).mean())
    interval = Interval(estimate, min(low, surest), max(high, 1 - surest), len(y))
    return LengthControlled(interval, float(weights[0, 1]))


def from_alpaca(annotations: Sequence[Mapping[str, Any]]) -> list[Judged]:
    """Read rows of AlpacaEval's `annotations.json` as comparisons; `output_2` is the policy's.

        {"instruction": "…", "output_1": "…", "output_2": "…", "preference": 1.9}

    A preference of 1 is a win of `output_1`, 2 of `output_2`, 1.5 (in old files 0) a tie; null or NaN is no
    verdict. Lengths are characters. Raises DataError for anything else.
    """
    return [_from_annotation(row, place) for place, row in enumerate(annotations)]


def alpaca_win_rate(judged: Sequence[Judged]) -> AlpacaWinRate:
    """Compute the win rate mean(preference)·100 and its error std(ddof=1)/√n·100, as AlpacaEval does.

    The discrete rate takes each preference as a win, a tie or a loss. Every row counts as independent. Raises
    DataError for fewer than two verdicts.
    """
    values = np.array([row.preference for row in judged if row.preference is not None])
    n = len(values)
    if n < 2:
        raise DataError(f"{n} of {len(judged)} annotations have a verdict, a standard error needs two")
    wins, losses = int((values > 0.5).sum()), int((values < 0.5).sum())
    ties = n - wins - losses
    return AlpacaWinRate(
        win_rate=float(values.mean()) * 100,
        standard_error=float(values.std(ddof=1)) / math.sqrt(n) * 100,
        discrete_win_rate=(wins + ties / 2) / n * 100,
        wins=wins,
        losses=losses,
        ties=ties,
        missing=len(judged) - n,
    )


def _from_annotation(row: Mapping[str, Any], place: int) -> Judged:
    if lacking := {"instruction", "output_1", "output_2", "preference"} - set(row):
        raise DataError(
            f"annotation {place} has no {', '.join(sorted(lacking))}",
            hint="give rows of AlpacaEval's annotations.json",
        )
    given = row["preference"]
    preference = None
    if given is not None and given == given:  # NaN differs from itself
        if not (isinstance(given, int | float) and (given == 0 or 1 <= given <= 2)):
            raise DataError(
                f"annotation {place} has the preference {given!r}",
                hint="preferences run from 1 (output_1) to 2 (output_2); a row without one has null",
            )
        preference = 0.5 if given == 0 else given - 1
    return Judged(row["instruction"], preference, len(row["output_2"]), len(row["output_1"]))


def _length_feature(judged: Sequence[Judged]) -> NDArray[np.float64]:
    """Return tanh of the difference in length in standard deviations, [n] f64; 0 if there is none."""
    gaps = np.array([row.length - row.baseline_length for row in judged], dtype=np.float64)
    if not gaps.any():
        return gaps
    spread = gaps.std(ddof=1)
    feature = np.tanh(gaps / spread) if spread > 0 else np.sign(gaps)
    if feature.var() < MIN_SPREAD * (feature**2).mean():
        raise DataError(
            message(
                "the policy's lengths minus the baseline's run from {least:g} to {most:g}: "
                "the effect of length on the judge cannot be told from that of quality",
                least=gaps.min(),
                most=gaps.max(),
            ),
            hint="compare on prompts whose responses also come close in length",
        )
    return feature


def _difficulties(judged: Sequence[Judged]) -> NDArray[np.float64]:
    """Standardise difficulties, or baseline lengths where none is given, [n] f64; 0 if all are equal."""
    given = [row.difficulty for row in judged if row.difficulty is not None]
    if not given:
        given = [math.log1p(row.baseline_length) for row in judged]
    if len(given) < len(judged):
        raise DataError(
            f"{len(given)} of {len(judged)} comparisons have a difficulty", hint="give it to all or to none"
        )
    centred = np.array(given, dtype=np.float64) - float(np.mean(given))
    return centred / (float(centred.std()) or 1.0)


def _fit(
    features: NDArray[np.float64],
    y: NDArray[np.float64],
    counts: NDArray[np.float64],
    start: NDArray[np.float64],
    ridge: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Fit logistic regressions of y [n] on features [n, d], one per row of counts [r, n]: weights [r, d].

        minimise  -Σ counts·(y·log p + (1 - y)·log(1 - p)) + Σ ridge/2·weights²,   p = σ(features·weights)

    `ridge`, [d], is the precision of a prior around 0 on each weight.

    Newton's steps, damped to log(1 + s)/s of their length, s = max ‖features‖·‖step‖, which makes them
    converge from any start: Sun & Tran-Dinh 2019, Mathematical Programming 178:145, for the logistic loss.
    """
    n, d = features.shape
    products = (features[:, :, None] * features[:, None, :]).reshape(n, d * d)
    longest = float(np.sqrt((features**2).sum(1)).max())
    weights = start
    for _ in range(MAX_STEPS):
        p: NDArray[np.float64] = expit(weights @ features.T)
        gradient = (counts * (y - p)) @ features - ridge * weights
        hessian = ((counts * p * (1 - p)) @ products).reshape(-1, d, d) + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        size = np.maximum(longest * np.linalg.norm(step, axis=1, keepdims=True), 1e-12)
        weights = weights + step * np.log1p(size) / size
        if size.max() < 1e-5:  # the error left is about its square
            return weights
    raise AssertionError(f"the logistic regression did not converge in {MAX_STEPS} steps")
