"""A number of an evaluation: what it means, what was found, for one model or for two.

    responses with their values -> `finding` -> NumberFinding: intervals, missing values, the paired change

A value is a number or None; None is a sample that could not be scored, which is never a 0.
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
    """What a task measures. Values in "%" are shares from 0 to 1."""

    name: str  # what gates and files call it
    title: str
    unit: NumberUnit
    better: Better
    explains: str

    @property
    def ends(self) -> tuple[float, float]:
        """The worst and the best value there can be."""
        ends = (0.0, 1.0) if self.unit == "%" else (-math.inf, math.inf)
        return ends if self.better == "higher" else (ends[1], ends[0])


@dataclass(frozen=True, slots=True)
class Values:
    """One value per response of one model, and the question each belongs to."""

    values: Sequence[float | None]
    questions: Sequence[Hashable]
    groups: Sequence[str] = ()  # of each response, such as its category; empty: none


@dataclass(frozen=True, slots=True)
class NumberFinding:
    """A number for the model, and for the one it is held against where there is one."""

    number: Number
    policy: Measured
    against: Measured | None = None
    change: Interval | None = None  # model - against, over the same questions
    p: float | None = None  # of "no change"; two-sided
    groups: Mapping[str, tuple[Measured, Measured | None]] = field(default_factory=dict)
    mean_of: str = ""  # the value of each response whose mean it is; empty for other numbers


def finding(
    number: Number, policy: Values, against: Values | None = None, *, mean_of: str = ""
) -> NumberFinding:
    """The number over all responses and over each group of them. At least one response."""
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
    """A number that was measured on each side as a whole: the model, then what it is held against."""
    return NumberFinding(number, sides[0], sides[1] if len(sides) > 1 else None)


def whole(interval: Interval) -> Measured:
    """A number that is measured on everything or not at all."""
    return Measured(interval, 0, interval.estimate, interval.estimate)


def p_of_change(before: Values, after: Values) -> float | None:
    """Two-sided p of "nothing changed" on the questions both have values for; None without a spread.

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
    """Value before, value after and the question, of every response that has both."""
    return [
        (b, a, question)
        for b, a, question in zip(before.values, after.values, after.questions, strict=True)
        if b is not None and a is not None
    ]


def _change(before: Values, after: Values) -> Interval | None:
    """The mean of after - before; None below two questions, which say nothing of others."""
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
