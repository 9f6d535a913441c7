"""A server is asked as fast as it bears, and no faster."""

import asyncio
import time
from collections.abc import Callable

from truing.core.records import user
from truing.judges.client import Judge
from truing.judges.endpoint import Endpoint
from truing.judges.pace import START, RequestPace

from ..serving import Reply
from .said import said

ABCDE = [user(letter) for letter in "abcde"]
MakeEndpoint = Callable[..., Endpoint]


def test_the_pace_doubles_halves_and_creeps():
    async def paced() -> list[float]:
        pace, seen = RequestPace(32), []
        entered = 0

        async def answer(count: int) -> None:
            """Answers while every place is taken."""
            nonlocal entered
            for _ in range(count):
                while entered < int(pace.limit):
                    await pace.enter()
                    entered += 1
                pace.answered()

        await answer(START)
        seen.append(pace.limit)
        for _ in range(3):  # under way together: one halving
            pace.overrun(0, 0.0)
        seen.append(pace.limit)
        await answer(4)
        seen.append(pace.limit)
        for at in range(1, 9):
            pace.overrun(at, 0.0)
        seen.append(pace.limit)
        for _ in range(entered):
            pace.leave()
        pace.answered()
        return [*seen, pace.limit]

    doubled, halved, crept, least, idle = asyncio.run(paced())
    assert (doubled, halved, least) == (2 * START, START, 1.0)
    assert halved < crept <= halved + 1
    assert idle == least, "an answer while places are free says nothing"


def test_a_cancelled_wait_gives_its_place_back():
    async def paced() -> int:
        pace = RequestPace(1)
        await pace.enter()
        waiting = [asyncio.create_task(pace.enter()) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        pace.leave()
        await asyncio.sleep(0)
        return await asyncio.wait_for(waiting[1], 5)

    assert asyncio.run(paced()) == 0


def test_a_server_that_bears_three_at_once_is_asked_no_faster(server, endpoint: MakeEndpoint, replies):
    refused = 0

    def script(text: str, before: int) -> Reply:
        nonlocal refused
        if server.at_once > 3:
            refused += 1
            return replies.error(429, "slow down")
        return replies.raw(said("7").body, before=lambda: time.sleep(0.01))

    server.script = script
    judge = Judge(endpoint(concurrency=32, retries=9))
    assert judge.ask([user(str(index)) for index in range(80)], float) == [7.0] * 80
    assert judge.pace.overruns >= 1
    assert judge.pace.limit < 16
    assert refused < 40, "32 at once all the way would be refused more often than answered"


def test_retry_after_quiets_all_questions(server, endpoint: MakeEndpoint, replies):
    times: list[float] = []

    def script(text: str, before: int) -> Reply:
        times.append(time.monotonic())
        return said("7") if before else replies.error(429, "slow down", Retry_After="0.7")

    server.script = script
    assert Judge(endpoint(concurrency=1)).ask(ABCDE, float) == [7.0] * 5
    assert times[1] - times[0] >= 0.7
