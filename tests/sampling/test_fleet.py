"""Servers leave a fleet with a reason, come back by the way of `join`, and are waited for."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from truing.core.errors import ConfigError, ModelError
from truing.sampling import fleet as module
from truing.sampling.fleet import Fleet, together
from truing.sampling.listing import Listing
from truing.sampling.servers import Server, ServerDown

ONE, TWO = "http://one", "http://two"
CLIENT: Any = None  # no request leaves these tests
Make = Callable[..., Fleet]


class Joining:
    """Takes servers into use, except those that a test calls sick; counts the attempts."""

    def __init__(self) -> None:
        self.sick: dict[str, Exception] = {}
        self.asked: list[str] = []

    async def __call__(self, client: Any, server: Server) -> None:
        self.asked.append(server.url)
        if server.url in self.sick:
            raise self.sick[server.url]


@pytest.fixture
def joining() -> Joining:
    return Joining()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def make(joining: Joining, said: list[str], monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setattr(module, "LOOK", 0.01)

    def one(*urls: str, path: Path | None = None, wait: float = 0.0) -> Fleet:
        return Fleet(Listing(urls, path, said.append), joining, wait=wait, say=said.append)

    return one


def urls(servers: list[Server]) -> list[str]:
    return [server.url for server in servers]


def test_servers_that_are_well_are_taken_into_use_without_a_word(make: Make, said: list[str]):
    fleet = make(ONE, TWO)
    assert fleet.up == []
    asyncio.run(fleet.welcome(CLIENT))
    assert urls(fleet.up) == [ONE, TWO] and said == []


def test_a_server_that_is_left_out_is_asked_less_and_less_often(make: Make, joining: Joining, said):
    fleet = make(ONE, TWO)
    fleet.look = 4.0
    asyncio.run(fleet.welcome(CLIENT))
    fleet.begun = True
    joining.sick[ONE] = ServerDown("it burns")
    fleet.leave_out(fleet.servers[0], "it burns")
    joining.asked.clear()
    asyncio.run(fleet.welcome(CLIENT))
    assert joining.asked == [], "its time has not come"
    pauses = []
    for _ in range(6):
        pauses.append(fleet.servers[0].next_try - time.monotonic())
        fleet.servers[0].next_try = 0.0
        asyncio.run(fleet.welcome(CLIENT))
    assert pauses == pytest.approx([4, 8, 16, 32, 60, 60], abs=2)
    joining.sick.clear()
    fleet.servers[0].next_try = 0.0
    asyncio.run(fleet.welcome(CLIENT))
    assert urls(fleet.up) == [ONE, TWO] and fleet.servers[0].failures == 0
    assert said == [f"{ONE} is left out until it is well again: it burns", f"{ONE} is in use"]


def test_a_wrong_server_ends_the_first_work_and_no_later_one(make: Make, joining: Joining, said: list[str]):
    joining.sick[TWO] = ConfigError("it serves something else")
    with pytest.raises(ConfigError, match="something else"):
        asyncio.run(make(ONE, TWO).welcome(CLIENT))
    fleet = make(ONE, TWO)
    fleet.begun = True
    asyncio.run(fleet.welcome(CLIENT))
    assert urls(fleet.up) == [ONE]
    assert f"{TWO} is left out until it is well again: it serves something else" in said


def test_a_file_adds_servers_and_takes_them_away(make: Make, said: list[str], tmp_path: Path):
    path = tmp_path / "servers.txt"
    path.write_text(f"{TWO}\n")
    fleet = make(ONE, path=path)
    asyncio.run(fleet.welcome(CLIENT))
    fleet.begun = True
    kept = fleet.servers[0]
    path.write_text("http://three/v1\n")
    fleet.read_list()
    assert urls(fleet.servers) == [ONE, "http://three"] and fleet.servers[0] is kept
    assert said == [f"{TWO} is no longer listed, and draws no more"]
    asyncio.run(fleet.welcome(CLIENT))
    assert urls(fleet.up) == [ONE, "http://three"] and said[1:] == ["http://three is in use"]


def test_without_a_server_all_reasons_are_told(make: Make, joining: Joining):
    joining.sick = {ONE: ServerDown("it burns"), TWO: ServerDown("it froze")}
    with pytest.raises(ModelError, match=f"no server is left .*{ONE}: it burns; {TWO}: it froze") as caught:
        asyncio.run(make(ONE, TWO).ready(CLIENT))
    assert caught.value.exit_code == 2 and len(joining.asked) == 2


def test_a_fleet_waits_for_a_server_and_says_so_once(make: Make, joining: Joining, said: list[str]):
    joining.sick = {ONE: ServerDown("it burns")}
    fleet = make(ONE, wait=30.0)

    async def mended() -> None:
        while len(joining.asked) < 3:
            await asyncio.sleep(0.01)
        joining.sick.clear()

    async def both() -> None:
        await asyncio.gather(fleet.ready(CLIENT), mended())

    asyncio.run(both())
    assert urls(fleet.up) == [ONE]
    assert said == [
        f"{ONE} is left out until it is well again: it burns",
        f"no server can be used: {ONE}: it burns; waiting 30 s for one",
        f"{ONE} is in use",
    ]


def test_the_wait_has_an_end(make: Make, joining: Joining):
    joining.sick = {ONE: ServerDown("it burns")}
    begun = time.monotonic()
    with pytest.raises(ModelError, match="no server is left"):
        asyncio.run(make(ONE, wait=0.2).ready(CLIENT))
    assert 0.2 <= time.monotonic() - begun < 60


def test_an_empty_list_is_waited_for_too(make: Make, said: list[str], tmp_path: Path):
    path = tmp_path / "servers.txt"
    path.write_text("# none yet\n")
    fleet = make(path=path, wait=30.0)

    async def listed() -> None:
        await asyncio.sleep(0.05)
        path.write_text(f"{ONE}\n")

    async def both() -> None:
        await asyncio.gather(fleet.ready(CLIENT), listed())

    asyncio.run(both())
    assert urls(fleet.up) == [ONE]
    assert said == ["no server can be used: the list of servers is empty; waiting 30 s for one"]


def test_on_each_leaves_out_those_that_fail(make: Make, said: list[str]):
    fleet = make(ONE, TWO)
    asyncio.run(fleet.welcome(CLIENT))

    async def burn(client: Any, server: Server) -> None:
        if server.url == ONE:
            raise ServerDown("it burns")

    asyncio.run(fleet.on_each(CLIENT, burn))
    assert urls(fleet.up) == [TWO] and said == [f"{ONE} is left out until it is well again: it burns"]


def test_on_each_tells_of_a_wrong_server_where_none_is_left(make: Make):
    fleet = make(ONE, TWO)
    asyncio.run(fleet.welcome(CLIENT))

    async def refuse(client: Any, server: Server) -> None:
        raise ConfigError(f"{server.url} cannot load adapters")

    with pytest.raises(ConfigError):
        asyncio.run(fleet.on_each(CLIENT, refuse))
    fleet.begun = True

    async def refuse_one(client: Any, server: Server) -> None:
        if server.url == ONE:
            await refuse(client, server)

    asyncio.run(fleet.on_each(CLIENT, refuse_one))
    assert urls(fleet.up) == [TWO]
    with pytest.raises(ConfigError, match="two cannot load adapters"):
        asyncio.run(fleet.on_each(CLIENT, refuse))


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
