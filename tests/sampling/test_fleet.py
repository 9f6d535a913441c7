"""Several servers share work, and take over that of one that dies."""

import asyncio

import pytest

from truing.core.errors import ModelError
from truing.sampling.fleet import Work, in_use, spread, together
from truing.sampling.servers import Server, ServerDown


def test_groups_go_round_and_an_idle_server_helps_the_busiest():
    one, two = Server("one"), Server("two")
    work: Work[int] = Work([[1, 2, 3], [4]], [one, two])
    assert len(work) == 4 and [work.take(two), work.take(two)] == [4, 3]
    assert [work.take(one), work.take(one), work.take(one)] == [1, 2, None]
    work.give_back(one, 2)
    assert work.take(two) == 2


def test_the_jobs_of_a_dead_server_are_done_by_the_others():
    servers, done, said = [Server("one"), Server("two")], [], []

    async def do(server: Server, job: int) -> None:
        await asyncio.sleep(0)
        if server.url == "one":
            raise ServerDown("it burns")
        done.append(job)

    asyncio.run(spread(servers, [[1, 2], [3], [4]], do, said.append))
    assert sorted(done) == [1, 2, 3, 4]
    assert said == ["one is left out until the weights are next refreshed: it burns"]
    assert in_use(servers) == servers[1:]


def test_without_a_server_all_reasons_are_told():
    servers = [Server("one", error="it burns"), Server("two")]

    async def do(server: Server, job: int) -> None:
        raise ServerDown("it froze")

    with pytest.raises(ModelError, match="one: it burns; two: it froze"):
        asyncio.run(spread(servers, [[1]], do, lambda line: None))


def test_the_first_error_ends_the_others():
    ended: list[str] = []

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("first")

    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")

    with pytest.raises(ValueError, match="first"):
        asyncio.run(together([wait(), fail()]))
    assert ended == ["cancelled"]
