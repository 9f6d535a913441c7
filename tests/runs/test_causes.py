"""The cause of a number that is not finite follows from what was tried."""

import pytest

from truing.runs.causes import REFERENCE, Cause, Earlier, Tried, cause_of

ROWS = ("a:1", "a:2", "a:3", "a:4")
START, SAVED = Earlier(0, ()), Earlier(8, ())


@pytest.mark.parametrize(
    ("tried", "cause", "said"),
    [
        (Tried(9, 4, ROWS, frozen=["the parameter w"]), Cause.BASE, "the parameter w is not finite"),
        (Tried(0, 4, ROWS, parameters=["the parameter w"]), Cause.BASE, "the parameter w is not finite"),
        (Tried(9, 4, ROWS, parameters=["the parameter w"]), Cause.RATE, "after 9 updates"),
        (Tried(0, 4, ROWS), Cause.BASE, "each of 4 rows alone"),
        (Tried(0, 4, ROWS, inside=False), Cause.LOSS, "the model's outputs are"),
        (Tried(0, 4, ["a:2"]), Cause.DATA, "a:2 alone is not finite, and 3 other rows are"),
        (Tried(0, 4, ROWS, given={REFERENCE: ROWS}), Cause.BASE, "reference's log-probabilities of all 4"),
        (Tried(0, 4, ["a:2"], given={REFERENCE: ["a:2"]}), Cause.DATA, "log-probabilities of a:2 are not"),
        (Tried(9, 4, ROWS, given={"advantages": ROWS}), Cause.DATA, "the advantages of a:1, a:2, a:3 …"),
        (Tried(9, 4, ROWS, earlier=[SAVED]), Cause.RATE, "all are with the weights after step 8"),
        (Tried(9, 4, ROWS, earlier=[Earlier(8, ROWS), START]), Cause.RATE, "the weights after step 0"),
        (Tried(9, 4, ROWS, earlier=[Earlier(8, ROWS), Earlier(0, ROWS)]), Cause.BASE, "each of 4 rows"),
        (Tried(9, 4, ROWS, earlier=[Earlier(8, ROWS)]), Cause.UNKNOWN, "neither is it with the weights"),
        (Tried(9, 4, ["a:2"], earlier=[Earlier(8, ["a:2"])]), Cause.DATA, "a:2 alone"),
        (Tried(9, 4, ["a:2"], earlier=[SAVED]), Cause.DATA, "a:2 alone"),
        (Tried(9, 4, ROWS[:3], earlier=[SAVED]), Cause.RATE, "3 of 4 rows"),
        (Tried(9, 4, ROWS), Cause.UNKNOWN, "no earlier weights"),
        (Tried(9, 4), Cause.TOGETHER, "all rows of the step together"),
        (Tried(9, 4, whole=False), Cause.CHANCE, "the same step done again is finite"),
    ],
)
def test_the_cause_explains_what_was_tried(tried: Tried, cause: Cause, said: str):
    found = cause_of(tried)
    assert (found.cause, found.hint != "") == (cause, True)
    assert said in found.why


def test_the_next_thing_to_do_is_a_command_or_a_key():
    told = cause_of(Tried(9, 4, ROWS, earlier=[START], rate=2e-3)).hint
    assert "--set optim.learning_rate=0.0002 --allow-change optim.learning_rate" in told
    assert "truing data show" in cause_of(Tried(0, 4, ["a:2"])).hint
