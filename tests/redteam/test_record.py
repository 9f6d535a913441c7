"""The record of a red teaming tells its failures and what was not answered."""

from collections.abc import Callable

from truing.redteam.record import RedTeam


def test_failures_are_the_successes_of_attacks(attack: Callable[..., RedTeam]) -> None:
    done = attack(attacks=["plain", "role_play"], controls=0, benign=False)
    assert {item.attack for item in done.failures} == {"role_play"}
    assert done.unanswered == 0
    assert done.over_refusal is None
