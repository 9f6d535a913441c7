"""Steps of several works in one thread, for an event loop."""

import asyncio
import threading
from collections.abc import Generator

import pytest

from truing.sampling.turns import WorkInTurns


def counted(name: str, most: int, log: list[str]) -> Generator[str]:
    try:
        for number in range(most):
            log.append(f"{name}{number}")
            yield f"{name}{number}"
    finally:
        log.append(f"{name} closed")


def test_every_work_does_a_step_in_its_turn_and_all_in_one_thread():
    log: list[str] = []
    threads: set[int] = set()
    taken: list[str] = []
    both_are_there = threading.Event()

    def steps(name: str) -> Generator[str]:
        both_are_there.wait(10)
        threads.add(threading.get_ident())
        yield from counted(name, 3, log)

    async def both() -> None:
        turns = WorkInTurns()
        works = [asyncio.create_task(turns.run(steps(name), taken.append)) for name in "ab"]
        await asyncio.sleep(0)
        both_are_there.set()
        await asyncio.gather(*works)

    asyncio.run(both())
    assert [step for step in log if step[-1].isdigit()] == ["a0", "b0", "a1", "b1", "a2", "b2"]
    assert sorted(taken) == ["a0", "a1", "a2", "b0", "b1", "b2"]
    assert len(threads) == 1 and threading.get_ident() not in threads


def test_an_error_ends_one_work_and_not_the_other():
    log: list[str] = []

    def failing() -> Generator[str]:
        yield "begun"
        raise ValueError("no more")

    async def both() -> list[object]:
        turns, taken = WorkInTurns(), []
        works = [turns.run(failing(), taken.append), turns.run(counted("b", 5, log), taken.append)]
        found = await asyncio.gather(*works, return_exceptions=True)
        return [*map(str, found), len(taken)]

    assert asyncio.run(both()) == ["no more", "None", 6]


def test_a_cancelled_task_closes_its_work_and_the_next_one_is_done():
    log: list[str] = []

    async def cancel_one() -> None:
        turns, begun = WorkInTurns(), asyncio.Event()
        endless = asyncio.create_task(turns.run(counted("a", 10**9, log), lambda _: begun.set()))
        await begun.wait()
        endless.cancel()
        with pytest.raises(asyncio.CancelledError):
            await endless
        await turns.run(counted("b", 1, log), lambda _: None)

    asyncio.run(cancel_one())
    assert log[-1] == "b closed" and "a closed" in log
