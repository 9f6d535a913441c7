"""Work spread by load: every job is done once, whatever befalls the servers."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest

from truing.core.errors import ModelError
from truing.sampling import fleet as fleets
from truing.sampling import servers, spreading
from truing.sampling.fleet import Fleet
from truing.sampling.listing import Listing
from truing.sampling.servers import Server, ServerDown, make_client
from truing.sampling.spreading import spread

from ..serving import Reply, as_json
from ..serving import Server as Serving

ONE, TWO = "http://one", "http://two"
Do = Callable[[Server, Any], Awaitable[int]]


@pytest.fixture(autouse=True)
def short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look every 20 ms, at servers that are names alone and always well."""

    async def well(client: Any, server: Server) -> bool:
        return True

    monkeypatch.setattr(fleets, "LOOK", 0.02)
    monkeypatch.setattr(spreading, "answers", well)


async def join(client: Any, server: Server) -> None:
    """Take any server into use."""


def fleet_of(*urls: str, join=join, said: list[str] | None = None, wait: float = 0.0) -> Fleet:
    return Fleet(Listing(urls), join, wait=wait, say=[].append if said is None else said.append)


def done(fleet: Fleet, groups: Sequence[Sequence[Any]], do: Do) -> list[tuple[str, Any]]:
    """Spread the groups and return the server and the job of each that ended, in that order."""
    ended: list[tuple[str, Any]] = []

    async def noting(server: Server, job: Any) -> int:
        tokens = await do(server, job)
        ended.append((server.url, job))
        return tokens

    async def go() -> None:
        async with make_client(5.0) as client:
            await fleet.welcome(client)
            fleet.begun = True
            await spread(fleet, client, groups, noting)

    asyncio.run(go())
    assert Counter(job for _, job in ended) == Counter(job for group in groups for job in group)
    return ended


async def at_once(server: Server, job: Any) -> int:
    await asyncio.sleep(0)
    return 10


def shares(ended: list[tuple[str, Any]]) -> Counter[str]:
    return Counter(url for url, _ in ended)


def test_a_group_goes_to_one_server_and_groups_go_round():
    ended = done(fleet_of(ONE, TWO), [[1, 2, 3], [4, 5, 6], [7], [8]], at_once)
    assert {job: url for url, job in ended} == dict.fromkeys((1, 2, 3, 7), ONE) | dict.fromkeys(
        (4, 5, 6, 8), TWO
    )


def test_shares_follow_the_pace_that_was_measured():
    """Ten jobs, one server four times as fast as the other: eight and two."""
    fleet = fleet_of(ONE, TWO)
    fleet.servers[0].pace, fleet.servers[1].pace = 40.0, 10.0
    assert shares(done(fleet, [[n] for n in range(10)], at_once)) == {ONE: 8, TWO: 2}


def test_the_pace_is_measured_while_work_goes_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spreading, "IN_FLIGHT", 2)

    async def do(server: Server, job: int) -> int:
        await asyncio.sleep(0.005 if server.url == ONE else 0.1)
        return 10

    fleet = fleet_of(ONE, TWO)
    found = shares(done(fleet, [[n] for n in range(40)], do))
    fast, slow = (server.pace for server in fleet.servers)
    assert fast is not None and slow is not None and fast > 2 * slow
    assert found[ONE] > 2 * found[TWO] > 0


def test_no_server_has_more_than_its_bound_under_way(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spreading, "IN_FLIGHT", 3)
    under_way: Counter[str] = Counter()
    most: Counter[str] = Counter()

    async def do(server: Server, job: int) -> int:
        under_way[server.url] += 1
        most[server.url] = max(most[server.url], under_way[server.url])
        await asyncio.sleep(0.001)
        under_way[server.url] -= 1
        return 1

    done(fleet_of(ONE, TWO), [list(range(10)), list(range(10, 20))], do)
    assert most == {ONE: 3, TWO: 3}


def test_groups_are_taken_when_there_is_room_for_them():
    """A stream of 200 groups, of which five may be under way or wait for the first, which is slow."""
    taken, ended = Counter[str](), set[int]()
    first, ahead = 0, 0

    def groups() -> Iterator[list[int]]:
        for job in range(200):
            taken["groups"] += 1
            yield [job]

    async def do(server: Server, job: int) -> int:
        nonlocal first, ahead
        await asyncio.sleep(0.02 if job == 0 else 0)
        ended.add(job)
        while first in ended:
            first += 1
        ahead = max(ahead, taken["groups"] - first)
        return 1

    async def go() -> None:
        fleet = fleet_of(ONE, TWO)
        async with make_client(5.0) as client:
            await fleet.welcome(client)
            room = {"room": lambda: taken["groups"] - first < 5, "in_flight": 2}
            await spread(fleet, client, groups(), do, **room)

    asyncio.run(go())
    assert ended == set(range(200)) and ahead <= 5


def test_the_jobs_of_a_dead_server_are_done_by_the_others():
    said: list[str] = []

    async def never_back(client: Any, server: Server) -> None:
        if server.error:
            raise ServerDown("it burns on")

    async def do(server: Server, job: int) -> int:
        await asyncio.sleep(0.001 * job)
        if server.url == ONE and job > 2:
            raise ServerDown("it burns")
        return 1

    fleet = fleet_of(ONE, TWO, join=never_back, said=said)
    ended = done(fleet, [[1, 2, 3, 4], [5], [6], [7], [8]], do)
    assert ended[:2] == [(ONE, 1), (ONE, 2)] and shares(ended)[ONE] == 2
    assert said == [f"{ONE} is left out until it is well again: it burns"]


def test_a_response_that_ended_as_its_server_died_is_not_drawn_again():
    asked: Counter[int] = Counter()

    async def do(server: Server, job: int) -> int:
        asked[job] += 1
        await asyncio.sleep(0)
        if job == 1 and server.url == ONE:
            raise ServerDown("it burns")
        return 1

    done(fleet_of(ONE, TWO), [[1, 2, 3], [4]], do)
    assert asked == {1: 2, 2: 1, 3: 1, 4: 1}


def test_a_server_that_comes_back_gets_what_still_waits(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spreading, "IN_FLIGHT", 1)
    joined: list[str] = []

    async def joining(client: Any, server: Server) -> None:
        joined.append(server.url)

    async def do(server: Server, job: int) -> int:
        await asyncio.sleep(0.01)
        if server.url == ONE and joined.count(ONE) == 1:
            raise ServerDown("it burns")
        return 1

    found = shares(done(fleet_of(ONE, TWO, join=joining), [[n] for n in range(30)], do))
    assert joined == [ONE, TWO, ONE] and found[ONE] > 0


def test_all_may_be_down_for_a_while():
    sick = {"now": False}
    said: list[str] = []

    async def joining(client: Any, server: Server) -> None:
        if sick["now"]:
            raise ServerDown("it starts")

    async def do(server: Server, job: int) -> int:
        if job == 2 and not said:
            sick["now"] = True
            asyncio.get_running_loop().call_later(0.1, sick.update, {"now": False})
            raise ServerDown("it burns")
        return 1

    done(fleet_of(ONE, join=joining, said=said, wait=30.0), [[1], [2], [3]], do)
    assert said == [
        f"{ONE} is left out until it is well again: it burns",
        f"no server can be used: {ONE}: it starts; waiting 30 s for one",
        f"{ONE} is in use",
    ]


def test_without_a_server_the_work_ends():
    async def do(server: Server, job: int) -> int:
        raise ServerDown("it froze")

    async def never_back(client: Any, server: Server) -> None:
        if server.error:
            raise ServerDown("it is frozen")

    with pytest.raises(ModelError, match="one: it is frozen; http://two: it is frozen"):
        done(fleet_of(ONE, TWO, join=never_back), [[1], [2]], do)


def test_any_other_error_ends_the_work():
    ended: list[int] = []

    async def do(server: Server, job: int) -> int:
        if job == 2:
            raise ValueError("ours")
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(job)
        return 1

    with pytest.raises(ValueError, match="ours"):
        done(fleet_of(ONE), [[1, 2, 3]], do)
    assert ended == [1, 3]


def test_a_machine_that_lost_its_power_is_found_by_looking(monkeypatch: pytest.MonkeyPatch):
    """Its connections stand and nothing comes: the requests themselves would wait for minutes."""
    monkeypatch.setattr(servers, "LOOK_SECONDS", 0.3)
    monkeypatch.setattr(spreading, "answers", servers.answers)
    dark = Serving(lambda request: Reply(before=dark.released.wait))
    well = Serving(lambda request: as_json({}))
    said: list[str] = []

    async def joining(client: Any, server: Server) -> None:
        if server.error:
            raise ServerDown("dark")

    async def do(server: Server, job: int) -> int:
        if server.url == dark.url:
            await asyncio.sleep(300)
        while job == 4 and not said:  # until the other has been looked at
            await asyncio.sleep(0.01)
        return 1

    try:
        found = shares(done(fleet_of(dark.url, well.url, join=joining, said=said), [[1], [2], [3], [4]], do))
    finally:
        dark.close()
        well.close()
    assert found == {well.url: 4}
    assert said == [
        f"{dark.url} is left out until it is well again: 3 questions whether it is well went without answer"
    ]
