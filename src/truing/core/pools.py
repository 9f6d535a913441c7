"""Connections of one client to servers that it asks a thousand things at once.

For each request httpx looks through all connections of a pool. A thousand in one pool take more time than all
else that is done for a request, so they are held in many small pools.
"""

from collections import Counter
from itertools import chain
from urllib.request import getproxies

import httpx2

POOL = 32  # requests under way for which a server's pool is used


class Pools(httpx2.AsyncBaseTransport):
    """The connections to every server, in pools of about `POOL`; `limits` are those of each pool."""

    def __init__(self, limits: httpx2.Limits) -> None:
        self._limits, self._verify = limits, httpx2.create_ssl_context()
        self._pools: dict[tuple[str, int | None], list[httpx2.AsyncHTTPTransport]] = {}
        self._under_way: Counter[httpx2.AsyncHTTPTransport] = Counter()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        pool = self._pool(request.url)
        self._under_way[pool] += 1
        try:
            return await pool.handle_async_request(request)
        finally:
            self._under_way[pool] -= 1

    def _pool(self, url: httpx2.URL) -> httpx2.AsyncHTTPTransport:
        """Return the emptiest pool of a server; a new one where all are full."""
        own = self._pools.setdefault((url.host, url.port), [])
        emptiest = min(own, key=self._under_way.__getitem__, default=None)
        if emptiest is None or self._under_way[emptiest] >= POOL:
            emptiest = httpx2.AsyncHTTPTransport(verify=self._verify, limits=self._limits)
            own.append(emptiest)
        return emptiest

    async def aclose(self) -> None:
        for pool in chain.from_iterable(self._pools.values()):
            await pool.aclose()


def pooled(limits: httpx2.Limits) -> Pools | None:
    """Return the pools of a client; None behind a proxy, which httpx reads where it makes its own."""
    return None if getproxies() else Pools(limits)
