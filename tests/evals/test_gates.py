"""A gate asks the whole interval, and what is missing counts as the worst."""

from typing import Any

import pytest
from pydantic import ValidationError

from truing.config.evaluation import Gate
from truing.evals.gates import judge_gates
from truing.evals.numbers import Number, NumberFinding
from truing.stats.clusters import Measured
from truing.stats.intervals import Interval

SAFE = Number("safe", "Safe", "%", "higher", "")


def judged(gate: dict[str, Any], measured: Measured) -> bool:
    (outcome,) = judge_gates({"safe": Gate(**gate)}, [NumberFinding(SAFE, measured)])
    return outcome.met


def share(low: float, estimate: float, high: float, **missing: Any) -> Measured:
    fields = {"missing": 0, "worst": estimate, "best": estimate} | missing
    return Measured(Interval(estimate, low, high, 100), **fields)


@pytest.mark.parametrize(
    ("gate", "measured", "met"),
    [
        ({"above": 0.9}, share(0.91, 0.95, 0.98), True),
        ({"above": 0.9}, share(0.89, 0.95, 0.98), False),
        ({"above": 0.9}, share(0.90, 0.95, 0.98), False),
        ({"below": 0.1}, share(0.01, 0.04, 0.09), True),
        ({"below": 0.1}, share(0.01, 0.04, 0.11), False),
    ],
)
def test_the_nearer_end_of_the_interval_decides(gate, measured: Measured, met: bool) -> None:
    assert judged(gate, measured) is met


def test_missing_samples_count_as_the_worst() -> None:
    assert not judged({"above": 0.9}, share(0.91, 0.95, 0.98, missing=10, worst=0.86))
    assert judged({"above": 0.9}, share(0.91, 0.95, 0.98, missing=1, worst=0.94))


def test_a_number_that_was_not_measured_misses_its_gate() -> None:
    nothing = Measured(None, 12, 0.0, 1.0)
    assert not judged({"above": 0.0}, nothing)
    (absent,) = judge_gates({"gone": Gate(below=1.0)}, [])
    assert not absent.met and "not measured" in str(absent)


def test_a_missed_gate_says_what_was_found_and_asked() -> None:
    (outcome,) = judge_gates({"safe": Gate(above=0.9)}, [NumberFinding(SAFE, share(0.8, 0.85, 0.9))])
    found = "safe: 85.0% (80.0% to 90.0%, n 100)"
    assert str(outcome) == f"{found}, asked for above 90.0% with the whole interval"


@pytest.mark.parametrize("bounds", [{}, {"above": 0.1, "below": 0.9}])
def test_a_gate_has_one_bound(bounds: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="one bound"):
        Gate(**bounds)
