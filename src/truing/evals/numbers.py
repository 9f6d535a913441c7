"""A number of an evaluation: its meaning, and its values for one model or for two.

    responses with their values -> `finding` -> NumberFinding: intervals, missing values, the paired change

A value is a number or None. None stands for a sample that could not be scored; it is never a 0.
"""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from scipy import stats

from truing.stats.clusters import (
    Measured,
    clustered_difference,
    clustered_error,
    clustered_mean,
    clustered_rate,
    measured,
)
from truing.stats.intervals import Interval, mcnemar

NumberUnit = Literal["%", "x", "nats", ""]
Better = Literal["higher", "lower", "near"]


@dataclass(frozen=True, slots=True)
class Number:
    """A number that a task measures. Values in "%" are shares from 0 to 1."""

    name: str  # in gates and files
    title: str
    unit: NumberUnit
    better: Better
    explains: str

    @property
    def ends(self) -> tuple[float, float]:
        """The worst and the best possible value."""
        ends = (0.0, 1.0) if self.unit == "%" else (-math.inf, math.inf)
        return ends if self.better == "higher" else (ends[1], ends[0])


@dataclass(frozen=True, slots=True)
class Values:
    """One value per response of one model, and the question of each response."""

    values: Sequence[float | None]
    questions: Sequence[Hashable]
    groups: Sequence[str] = ()  # of each response, such as its category; empty: none


@dataclass(frozen=True, slots=True)
class NumberFinding:
    """A number of the model, and of the model it is compared with, if any."""

    number: Number
    policy: Measured
    against: Measured | None = None
    change: Interval | None = None  # model - against, over the same questions
    p: float | None = None  # of "no change"; two-sided
    groups: Mapping[str, tuple[Measured, Measured | None]] = field(default_factory=dict)
    mean_of: str = ""  # the value of responses that the number is the mean of; empty for others


def finding(
    number: Number, policy: Values, against: Values | None = None, *, mean_of: str = ""
) -> NumberFinding:
    """Return the number over all responses and over each group of responses. Needs one response or more."""
    groups = {
        group: (
            _measured(number, _of_group(policy, group)),
            _measured(number, _of_group(against, group)) if against else None,
        )
        for group in dict.fromkeys(policy.groups)
        if group
    }
    if against is None:
        return NumberFinding(number, _measured(number, policy), groups=groups, mean_of=mean_of)
    return NumberFinding(
        number,
        _measured(number, policy),
        _measured(number, against),
        _change(against, policy),
        p_of_change(against, policy),
        groups,
        mean_of,
    )


def of_sides(number: Number, sides: Sequence[Measured]) -> NumberFinding:
    """Return a number that was measured on whole sides: the model, then the model it is compared with."""
    return NumberFinding(number, sides[0], sides[1] if len(sides) > 1 else None)


def whole(interval: Interval) -> Measured:
    """Return an interval as measured on all samples, with none missing."""
    return Measured(interval, 0, interval.estimate, interval.estimate)


def p_of_change(before: Values, after: Values) -> float | None:
    """Return the two-sided p of "nothing changed" over questions with both values; None without a spread.

    McNemar's exact test for one 0 or 1 a question, else the t-test of the difference with errors clustered
    by question.
    """
    both = _both(before, after)
    questions = [question for _, _, question in both]
    if len(set(questions)) < 2:
        return None
    if len(set(questions)) == len(both) and all(value in (0, 1) for b, a, _ in both for value in (b, a)):
        return mcnemar([bool(b) for b, _, _ in both], [bool(a) for _, a, _ in both])
    gaps = [a - b for b, a, _ in both]
    error = clustered_error(gaps, questions)
    if error == 0:
        return None
    return float(2 * stats.t.sf(abs(sum(gaps) / len(gaps)) / error, len(set(questions)) - 1))


def _both(before: Values, after: Values) -> list[tuple[float, float, Hashable]]:
    """Return value before, value after and the question of every response that has both values."""
    return [
        (b, a, question)
        for b, a, question in zip(before.values, after.values, after.questions, strict=True)
        if b is not None and a is not None
    ]


def _change(before: Values, after: Values) -> Interval | None:
    """Return the mean of after - before; None for fewer than two questions, which carry no interval."""
    both = _both(before, after)
    if len({question for _, _, question in both}) < 2:
        return None
    return clustered_difference(*(list(column) for column in zip(*both, strict=True)))


def _measured(number: Number, values: Values) -> Measured:
    worst, best = number.ends
    how: Callable[[Sequence[float], Sequence[Hashable]], Interval]
    how = clustered_rate if number.unit == "%" else _mean
    return measured(values.values, values.questions, how, worst=worst, best=best)


def _mean(values: Sequence[float], questions: Sequence[Hashable]) -> Interval:
    if len(set(questions)) > 1:
        return clustered_mean(values, questions)
    mean = sum(values) / len(values)
    return Interval(mean, -math.inf, math.inf, len(values))


def _of_group(values: Values, group: str) -> Values:
    places = [place for place, own in enumerate(values.groups) if own == group]
    return Values([values.values[i] for i in places], [values.questions[i] for i in places])
