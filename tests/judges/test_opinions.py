"""Failures of questions: for now, or for good."""

from truing.judges.opinions import NoVerdict, NoVerdictError, PassingError


def test_a_passing_failure_says_how_long_to_wait():
    error = PassingError("HTTP 429", wait=3.0)
    assert isinstance(error, NoVerdictError) and (str(error), error.wait) == ("HTTP 429", 3.0)
    assert PassingError("lost").wait == 0.0
    assert NoVerdict("a") == NoVerdict("a") != NoVerdict("b")
