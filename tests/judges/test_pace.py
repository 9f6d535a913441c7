"""As many requests at once as a server bears."""

import asyncio

from truing.judges.pace import START, RequestPace


async def entered(pace: RequestPace, count: int) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(pace.enter()) for _ in range(count)]
    await asyncio.sleep(0.01)
    return [task for task in tasks if task.done()]


def test_places_double_with_answers_until_the_first_sign_and_grow_by_one_after_it():
    async def run() -> list[float]:
        pace = RequestPace(64)
        assert len(await entered(pace, 10)) == START
        for _ in range(START):
            pace.answered()
        limits = [pace.limit]
        pace.overrun(0, 0.0)
        pace.overrun(0, 0.0)  # of the same round: it counts once
        return [*limits, pace.limit, float(pace.overruns)]

    doubled, halved, overruns = asyncio.run(run())
    assert doubled > START and halved == doubled / 2 and overruns == 1


def test_a_place_that_is_left_is_taken_and_there_are_never_more_than_the_most():
    async def run() -> tuple[int, int]:
        pace = RequestPace(2)
        first = len(await entered(pace, 5))
        pace.leave()
        await asyncio.sleep(0.01)
        return first, pace._under_way

    assert asyncio.run(run()) == (2, 2)
