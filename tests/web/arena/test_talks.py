"""Conversations of the arena: the states of a round, and the turns that go on."""

import asyncio

import pytest

from truing.core.records import Message, user
from truing.sampling.types import Sampling
from truing.web.arena.talks import (
    ArenaRound,
    ArenaTalk,
    RoundOutcome,
    RoundSide,
    RoundState,
    SideState,
    waited,
)


def made(left: SideState, right: SideState, outcome: RoundOutcome | None = None) -> ArenaRound:
    sides = (RoundSide("a", "A", left), RoundSide("b", "B", right))
    return ArenaRound(0, user("q"), Sampling(), sides, outcome)


@pytest.mark.parametrize(
    ("left", "right", "outcome", "state", "over", "spent"),
    [
        (SideState.WRITING, SideState.DONE, None, RoundState.WRITING, False, False),
        (SideState.WRITING, SideState.FAILED, None, RoundState.WRITING, False, True),
        (SideState.STOPPED, SideState.DONE, None, RoundState.READY, False, False),
        (SideState.FAILED, SideState.DONE, None, RoundState.FAILED, True, True),
        (SideState.DONE, SideState.DONE, "tie", RoundState.JUDGED, True, True),
        (SideState.DONE, SideState.DONE, "skip", RoundState.JUDGED, True, False),
    ],
)
def test_a_round_follows_from_its_sides(left, right, outcome, state, over: bool, spent: bool):
    one = made(left, right, outcome)
    assert (one.state, one.over, one.spent) == (state, over, spent)


def test_the_response_that_goes_on_is_a_turn_and_other_rounds_are_left_out():
    chosen, both_bad = (made(SideState.DONE, SideState.DONE, "right") for _ in range(2))
    chosen.goes_on = 1
    talk = ArenaTalk(1, rounds=[chosen, both_bad])
    assert talk.turns == (Message("user", "q"), Message("assistant", "B"))


def test_whoever_follows_is_woken_by_each_change():
    async def followed() -> list[bool]:
        talk = ArenaTalk(1)
        first = talk.changed
        talk.touch(shape=False)
        second = talk.changed
        return [await waited(first, 0), await waited(second, 0.001), talk.shape == 0]

    assert asyncio.run(followed()) == [True, False, True]
