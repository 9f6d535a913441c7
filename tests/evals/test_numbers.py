"""Values of answers to findings: missing ones stay missing, pairs are compared as pairs."""

import math
from dataclasses import astuple

import pytest

from truing.evals.numbers import Number, Values, finding, p_of_change
from truing.stats.clusters import Measured, clustered_difference
from truing.stats.intervals import Interval, mcnemar, wilson

RATE = Number("rate", "A rate", "%", "higher", "")
HARM = Number("harm", "A rate of harm", "%", "lower", "")
MEAN = Number("mean", "A mean", "", "higher", "")
IDS = ["a", "b", "c", "d", "e", "f", "g", "h"]


def close(found: Interval | None, expected: Interval) -> bool:
    assert found is not None and found.n == expected.n
    return astuple(found) == pytest.approx(astuple(expected))


def test_a_rate_alone_is_wilsons_and_has_nothing_to_compare_with() -> None:
    found = finding(RATE, Values([1, 1, 0, 1, 1, 1, 0, 1], IDS))
    assert close(found.policy.interval, wilson(6, 8))
    assert (found.against, found.change, found.p) == (None, None, None)


def test_a_missing_value_is_no_zero_and_bounds_what_it_could_do() -> None:
    found = finding(RATE, Values([1, None, 1, None], IDS[:4]))
    assert found.policy.interval is not None and found.policy.interval.estimate == 1
    assert (found.policy.missing, found.policy.worst, found.policy.best) == (2, 0.5, 1.0)


def test_the_worst_value_of_a_harm_is_one() -> None:
    found = finding(HARM, Values([0, None, 0, None], IDS[:4]))
    assert (found.policy.worst, found.policy.best) == (0.5, 0.0)


def test_all_missing_has_no_interval() -> None:
    assert finding(RATE, Values([None, None], IDS[:2])).policy == Measured(None, 2, 0.0, 1.0)


def test_a_mean_has_no_end_that_missing_values_could_reach() -> None:
    found = finding(MEAN, Values([1.0, 3.0, None], IDS[:3]))
    assert found.policy.interval is not None and found.policy.interval.estimate == 2
    assert (found.policy.worst, found.policy.best) == (-math.inf, math.inf)


def test_one_flag_a_question_is_compared_by_mcnemar() -> None:
    before, after = [0, 0, 0, 0, 0, 0, 1, 1], [1, 1, 1, 1, 1, 1, 1, 0]
    found = finding(RATE, Values(after, IDS), Values(before, IDS))
    assert found.p == mcnemar(list(map(bool, before)), list(map(bool, after)))
    assert found.change is not None and found.change.estimate == pytest.approx(5 / 8)


def test_several_samples_of_a_question_do_not_count_as_several_questions() -> None:
    before, after = [0.0] * 3 + [1.0], [1.0, 1.0, 0.0, 1.0]
    alone = p_of_change(Values(before, IDS[:4]), Values(after, IDS[:4]))
    ids = [one for one in IDS[:4] for _ in range(10)]
    many_before, many_after = ([v for v in values for _ in range(10)] for values in (before, after))
    many = p_of_change(Values(many_before, ids), Values(many_after, ids))
    assert alone is not None and many is not None
    assert many > 0.05, "four questions say little, however often each is asked"


def test_without_a_spread_there_is_no_p() -> None:
    halves = Values([0.5, 0.5], ["a", "b"])
    assert p_of_change(halves, Values([1.0, 1.0], ["a", "b"])) is None


def test_groups_are_measured_by_themselves_and_without_a_name_not_at_all() -> None:
    values = Values([1, 1, 0, 0], IDS[:4], ["theft", "theft", "fraud", ""])
    found = finding(RATE, values, values)
    assert list(found.groups) == ["theft", "fraud"]
    model, against = found.groups["theft"]
    assert against is not None and model.interval == against.interval
    assert close(model.interval, wilson(2, 2))


def test_one_question_has_a_mean_and_no_end() -> None:
    found = finding(MEAN, Values([2.0], ["a"]))
    assert found.policy.interval == Interval(2.0, -math.inf, math.inf, 1)


def test_one_question_says_nothing_of_a_change() -> None:
    found = finding(RATE, Values([1.0], IDS[:1]), Values([0.0], IDS[:1]))
    assert (found.change, found.p) == (None, None)
    assert found.policy.interval is not None and found.policy.interval.estimate == 1


def test_a_change_is_over_the_questions_with_both_values() -> None:
    found = finding(RATE, Values([1.0, 1.0, None], IDS[:3]), Values([0.0, 1.0, 0.0], IDS[:3]))
    assert found.change == clustered_difference([0.0, 1.0], [1.0, 1.0], IDS[:2])
