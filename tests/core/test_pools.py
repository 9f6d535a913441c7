"""Connections in small pools: no pool has many, and connections are used again."""

import asyncio
from collections import Counter
from typing import ClassVar

import httpx2
import pytest

from truing.core import pools
from truing.core.pools import POOL, Pools, pooled

LIMITS = httpx2.Limits(max_connections=None)


class _Slow(httpx2.AsyncBaseTransport):
    """Stands for a pool: answers after a while, and counts what it was asked at once."""

    made: ClassVar[list["_Slow"]] = []

    def __init__(self, **options: object) -> None:
        self.at_once, self.most, self.asked, self.closed = 0, 0, 0, False
        self.made.append(self)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.001)
        self.at_once -= 1
        if request.url.path == "/broken":
            raise httpx2.ReadError("gone")
        return httpx2.Response(200)

    async def aclose(self) -> None:
        self.closed = True


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[_Slow]:
    monkeypatch.setattr(pools.httpx2, "AsyncHTTPTransport", _Slow)
    monkeypatch.setattr(_Slow, "made", [])
    return _Slow.made


def test_a_thousand_requests_at_once_fill_many_pools_and_later_ones_use_them_again(made: list[_Slow]):
    async def go() -> None:
        async with httpx2.AsyncClient(transport=Pools(LIMITS)) as client:
            for _ in range(3):
                await asyncio.gather(*(client.get("http://one/x") for _ in range(1000)))
            assert not any(pool.closed for pool in _Slow.made)

    asyncio.run(go())
    assert len(made) == -(-1000 // POOL) and all(pool.closed for pool in made)
    assert max(pool.most for pool in made) == POOL
    assert sum(pool.asked for pool in made) == 3000


def test_a_server_has_pools_of_its_own_and_a_failure_frees_its_place(made: list[_Slow]):
    failed: Counter[str] = Counter()

    async def go() -> None:
        async with httpx2.AsyncClient(transport=Pools(LIMITS)) as client:
            for _ in range(3 * POOL):
                for url in ("http://one/broken", "http://two/x"):
                    try:
                        await client.get(url)
                    except httpx2.ReadError:
                        failed[url] += 1

    asyncio.run(go())
    assert failed == {"http://one/broken": 3 * POOL} and len(made) == 2


def test_behind_a_proxy_httpx_makes_its_own_pool(monkeypatch: pytest.MonkeyPatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert isinstance(pooled(LIMITS), Pools)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert pooled(LIMITS) is None
