"""The decision about a finding follows from the recipe and from how the run stands alone."""

from dataclasses import replace

import pytest

from truing.config.health import Health
from truing.runs.care import Standing, decide, is_held, rollbacks, slowed, still_true
from truing.training.health import Finding

FOUND = Finding("loss_spikes", step=30, since=24, saw="a spike", advice="lower the rate")
STANDS = Standing(rollbacks=0, sound=20, can_hold=True)


@pytest.mark.parametrize(
    ("action", "standing", "decided", "back_to", "saw"),
    [
        ("warn", STANDS, "warn", None, "a spike"),
        ("stop", STANDS, "stop", None, "a spike"),
        ("remedy", STANDS, "remedy", None, "a spike"),
        ("remedy", replace(STANDS, can_hold=False), "warn", None, "a spike"),
        ("rollback", STANDS, "rollback", 20, "a spike"),
        ("rollback", replace(STANDS, rollbacks=1), "rollback", 20, "a spike"),
        ("rollback", replace(STANDS, rollbacks=2), "stop", None, "a spike; after 2 rollbacks"),
        ("rollback", replace(STANDS, sound=None), "stop", None, "a spike; no checkpoint is from before it"),
    ],
)
def test_a_finding_has_the_action_that_the_run_allows(action, standing, decided, back_to, saw):
    found = decide(FOUND, Health(action=action, rollbacks=2), standing)
    assert (found.action, found.back_to, found.saw) == (decided, back_to, saw)
    assert FOUND.action == "warn", "the finding itself is as it was"


def test_what_was_done_after_the_checkpoint_that_a_run_goes_on_from_is_void():
    warned = replace(FOUND, rule="warned")
    held = replace(FOUND, rule="held", action="remedy")
    back = replace(FOUND, rule="back", action="rollback", back_to=20)
    said = [warned, held, back]
    assert still_true(said, 30, changed=False) == said
    assert still_true(said, 25, changed=False) == [warned, back]
    assert still_true(said, 10, changed=False) == [warned]
    assert still_true(said, 25, changed=True) == [back], "another recipe is watched anew"


def test_every_rollback_halves_the_rate():
    back = replace(FOUND, action="rollback", back_to=20)
    assert slowed(0.8, [FOUND]) == 0.8
    assert slowed(0.8, [back, FOUND, back]) == 0.2
    assert rollbacks([back, FOUND, back]) == 2
    assert is_held([back, replace(FOUND, action="remedy")]) and not is_held([back, FOUND])
