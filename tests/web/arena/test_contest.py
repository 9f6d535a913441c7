"""The contest with models that say what a test tells them to."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from truing.core.errors import ModelError, UsageError
from truing.core.records import Turns
from truing.sampling.streaming import SpokenText, TakePiece
from truing.sampling.types import Finish, Sampling
from truing.web.arena.contest import MOST_TALKS, Contest
from truing.web.arena.talks import ArenaTalk, RoundState, SideState

END = 20  # rounds of the event loop: more than any of these models takes


class Echo:
    """A model that says its name and the number of its turns; it may fail, or wait before its end."""

    def __init__(self, name: str, *, fails: Exception | None = None, waits: bool = False) -> None:
        self.name, self.fails, self.waits = name, fails, waits

    async def speak(self, turns: Turns, sampling: Sampling, take: TakePiece) -> SpokenText:
        take(f"{self.name}:")
        await asyncio.sleep(0)
        if self.fails:
            raise self.fails
        if self.waits:
            await asyncio.sleep(60)
        take(str(len(turns)))
        return SpokenText(f"{self.name}:{len(turns)}", Finish.STOP)


def contest_of(*models: Echo, **how: Any) -> Contest:
    return Contest({one.name: one for one in models}, Sampling(temperature=1.0), **how)


def run(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(work())


async def asked(contest: Contest, talk: ArenaTalk | None = None) -> ArenaTalk:
    """Ask a question, and wait until nothing more can happen."""
    talk = contest.ask(talk, 1, "q")
    for _ in range(END):
        await asyncio.sleep(0)
    return talk


def test_the_conversation_goes_on_with_the_better_response_for_both_models():
    async def spoken() -> list[str]:
        contest = contest_of(Echo("a"), Echo("b"))
        talk = await asked(contest)
        assert talk.newest and talk.newest.state is RoundState.READY
        contest.judge(talk, talk.newest, "left")
        await asked(contest, talk)
        return [side.text for side in talk.newest.sides] + [turn.content for turn in talk.newest.prompt]

    left, right, *prompt = run(spoken)
    assert {left, right} == {"a:3", "b:3"}
    assert prompt in (["q", "a:1", "q"], ["q", "b:1", "q"])


@pytest.mark.parametrize(("outcome", "turns"), [("both_bad", 1), ("skip", 1), ("tie", 3)])
def test_a_round_without_a_better_response_is_left_out_but_for_a_tie(outcome: Any, turns: int):
    async def spoken() -> tuple[int, int]:
        contest = contest_of(Echo("a"), Echo("b"))
        talk = await asked(contest)
        contest.judge(talk, talk.rounds[0], outcome)
        await asked(contest, talk)
        return len(talk.rounds[1].prompt), contest.compared[frozenset("ab")]

    assert run(spoken) == (turns, 0 if outcome == "skip" else 1)


@pytest.mark.parametrize("error", [ModelError("no memory"), RuntimeError("a library's")])
def test_one_side_fails_and_the_other_is_kept(error: Exception):
    async def spoken() -> tuple[RoundState, dict[str, tuple[SideState, str]]]:
        talk = await asked(contest_of(Echo("a", fails=error), Echo("b")))
        one = talk.rounds[0]
        return one.state, {side.model: (side.state, str(side.error)) for side in one.sides}

    state, sides = run(spoken)
    assert state is RoundState.FAILED
    assert sides["b"] == (SideState.DONE, "None")
    assert sides["a"][0] is SideState.FAILED and str(error) in sides["a"][1]


def test_what_is_stopped_keeps_its_text_and_can_be_judged():
    async def spoken() -> tuple[RoundState, list[tuple[SideState, str]]]:
        contest = contest_of(Echo("a", waits=True), Echo("b", waits=True))
        talk = await asked(contest)
        contest.stop(talk)
        await asyncio.sleep(0)
        return talk.rounds[0].state, sorted((side.state, side.text) for side in talk.rounds[0].sides)

    assert run(spoken) == (RoundState.READY, [(SideState.STOPPED, "a:"), (SideState.STOPPED, "b:")])


def test_pairs_that_are_under_way_count_for_the_next_draw():
    async def drawn() -> Counter[frozenset[str]]:
        contest = contest_of(Echo("a"), Echo("b"), Echo("c"))
        talks = [await asked(contest) for _ in range(3)]
        return Counter(frozenset(side.model for side in talk.rounds[0].sides) for talk in talks)

    assert set(run(drawn).values()) == {1}


@pytest.mark.parametrize(
    ("question", "told"), [("  ", "0 characters"), ("x" * 100_001, "100001 characters"), ("q", "is open")]
)
def test_a_question_that_may_not_be_asked_says_why(question: str, told: str):
    async def twice() -> None:
        contest = contest_of(Echo("a"), Echo("b"))
        contest.ask(await asked(contest), 1, question)

    with pytest.raises(UsageError, match=told):
        run(twice)


def test_one_model_is_no_contest():
    with pytest.raises(UsageError, match="at least two"):
        contest_of(Echo("a"))


def test_the_oldest_talk_is_forgotten_that_nobody_writes_in():
    async def many() -> tuple[int, bool]:
        contest = contest_of(Echo("a"), Echo("b"))
        first = await asked(contest)
        for person in range(MOST_TALKS):
            contest.ask(None, person, "q")
        await asyncio.sleep(0)
        return len(contest.talks), first.id in contest.talks

    assert run(many) == (MOST_TALKS, False)


def test_a_person_has_one_round_written_at_a_time():
    """Other talks of the same person wait, those of other people do not."""

    async def spoken() -> list[int]:
        contest = contest_of(Echo("a", waits=True), Echo("b"), Echo("c"))
        first = contest.ask(None, 1, "q")
        with pytest.raises(UsageError, match="another question of yours"):
            contest.ask(None, 1, "q")
        contest.ask(None, 2, "q")
        written = len(contest.talks)
        for _ in range(END):
            await asyncio.sleep(0)
        contest.stop(first)
        contest.ask(None, 1, "q")
        return [written, len(contest.talks)]

    assert run(spoken) == [2, 3]


def test_a_talk_that_is_forgotten_is_no_longer_written(monkeypatch: pytest.MonkeyPatch):
    async def spoken() -> list[bool]:
        monkeypatch.setattr("truing.web.arena.contest.MOST_TALKS", 2)
        contest = contest_of(Echo("a", waits=True), Echo("b", waits=True))
        talks = [contest.ask(None, person, "q") for person in (1, 2, 3)]
        for _ in range(END):
            await asyncio.sleep(0)
        return [any(talk.running()) for talk in talks]

    assert run(spoken) == [False, True, True]
