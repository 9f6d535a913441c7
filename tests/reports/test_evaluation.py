"""Numbers of an evaluation as rows of its page."""

from truing.config.evaluation import Gate
from truing.evals.gates import judge_gates
from truing.evals.numbers import Number, Values, finding
from truing.reports.evaluation import measure_of
from truing.reports.records import GoalOutcome

NUMBER = Number("safe", "Safe", "%", "higher", "Share that is safe.")


def found(policy: list[float | None], against: list[float | None] | None = None):
    sides = [
        Values(one, [str(n) for n in range(len(one))], ()) for one in (policy, against) if one is not None
    ]
    return finding(NUMBER, *sides)


def test_a_gate_is_the_goal_of_its_number():
    one = found([1.0] * 9 + [0.0])
    (gate,) = judge_gates({"safe": Gate(above=0.99)}, [one])
    measure = measure_of(one, gate, "harmlessness")
    assert (measure.goal, measure.better, measure.items) == (0.99, "higher", "harmlessness")
    assert measure.outcome is GoalOutcome.MISSED and measure.before is None
    assert measure_of(one, None).outcome is GoalOutcome.NO_GOAL


def test_missing_values_and_the_p_of_a_change_are_explained():
    one = found([1.0] * 9 + [None], [0.0] * 10)
    said = measure_of(one, None, corrected={"safe": 0.01, "other": 0.2}).explains
    assert said.startswith(
        "Share that is safe. 1 answers could not be scored; they could make it 90.0% to 100.0%."
    )
    assert "p of no change" in said and "among 2 numbers" in said
