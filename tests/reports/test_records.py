"""Records of a page: goals, verdicts, and what cannot be."""

import pytest

from truing.reports.records import (
    DataCount,
    GoalOutcome,
    HitShare,
    verdict,
)
from truing.stats.intervals import Interval

from .pages import measures, refusals


@pytest.mark.parametrize(
    ("better", "goal", "outcome"),
    [
        ("higher", 0.8, GoalOutcome.MET),
        ("higher", 0.9, GoalOutcome.UNSURE),
        ("higher", 0.95, GoalOutcome.MISSED),
        ("lower", 0.98, GoalOutcome.MET),
        ("lower", 0.5, GoalOutcome.MISSED),
        ("near", 0.95, GoalOutcome.MET),
        ("near", 0.1, GoalOutcome.MISSED),
        ("higher", None, GoalOutcome.NO_GOAL),
    ],
)
def test_a_goal_is_met_for_certain_only_by_the_whole_interval(better, goal, outcome):
    """after is 0.94 [0.838, 0.979], before 0.04: near goals look at 0.90 [0.798, 0.939]."""
    assert refusals(better=better, goal=goal).outcome is outcome


def test_the_verdict_is_a_sentence_with_numbers():
    assert verdict(measures()) == (
        "Harmful prompts refused went from 4.0% to 94.0%, "
        "benign look-alikes refused from 2.0% to 4.0%; 3 of 3 goals met, 1 of them not certain."
    )


def test_records_refuse_what_cannot_be():
    with pytest.raises(ValueError, match="10 rows read, but 8 kept \\+ 1 set aside"):
        DataCount("rows.jsonl", 10, 8, 1)
    with pytest.raises(ValueError, match="share from 0 to 1"):
        refusals(after=Interval(94.0, 90.0, 97.0, 50))
    with pytest.raises(ValueError, match="3 of 2"):
        HitShare(3, 2)
