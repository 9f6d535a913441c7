"""The servers of a sampler: which of them draw, which are left out, and which come back.

    Listing -> Server -> taken into use -> left out, with a reason -> asked again -> taken into use

A server that fails is left out. It is asked again, at first after `LOOK` seconds and later less often, and is
taken into use by `join`, which gives it the newest weights. New addresses of the list are treated likewise.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

import httpx2

from truing.core.errors import ConfigError, ModelError
from truing.core.messages import Say, joined, message
from truing.sampling.listing import Listing
from truing.sampling.servers import Server, ServerDown

Visit = Callable[[httpx2.AsyncClient, Server], Awaitable[None]]

LOOK = 5.0  # seconds until a server that was left out is asked again; doubled after each failure
LONGEST_LOOK = 60.0  # seconds


async def together(tasks: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all tasks at once. The first error ends the others and is raised as it is."""
    running = [asyncio.create_task(task) for task in tasks]
    try:
        await asyncio.gather(*running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class Fleet:
    """All servers of a list. `wait` is how long to wait, in seconds, while none of them can be used.

    Two threads may share a fleet: one draws for the next step while the other evaluates.
    """

    def __init__(self, listing: Listing, join: Visit, *, wait: float, say: Say) -> None:
        self._listing, self._join, self._wait, self._say = listing, join, wait, say
        self.servers = [Server(url) for url in listing.urls()]
        self.look = LOOK
        self.begun = False  # from the first work on: a server that is not as it must be then ends no run

    @property
    def up(self) -> list[Server]:
        """Return the servers in use."""
        return [server for server in self.servers if server.up]

    def read_list(self) -> None:
        """Add servers that are new in the list; use those no more that are gone from it."""
        urls, known = self._listing.urls(), {server.url: server for server in self.servers}
        for url in known.keys() - set(urls):
            self._say(message("{url} is no longer listed, and draws no more", url=url))
            known[url].up = False
        self.servers = [known.get(url) or Server(url) for url in urls]

    def leave_out(self, server: Server, reason: str) -> None:
        """Use a server no more until it is asked again, and say so, once until it is back."""
        told = bool(server.error)
        server.up, server.error = False, reason
        pause = min(self.look * 2**server.failures, LONGEST_LOOK)
        server.failures, server.next_try = server.failures + 1, time.monotonic() + pause
        if not told:
            said = "{url} is left out until it is well again: {reason}"
            self._say(message(said, url=server.url, reason=reason))

    async def welcome(self, client: httpx2.AsyncClient) -> None:
        """Ask every server that is not in use and whose time has come, and take into use those that are well.

        Before the first work raises the ConfigError or ModelError of a server that is not as it must be.
        """
        now = time.monotonic()
        out = [server for server in self.servers if not server.up and server.next_try <= now]
        await together(self._ask_back(client, server) for server in out)

    async def _ask_back(self, client: httpx2.AsyncClient, server: Server) -> None:
        if not server.turn.acquire(blocking=False):
            return  # another thread is at it
        try:
            if await self._failing(self._join, client, server) is None:
                if server.error or self.begun:
                    self._say(message("{url} is in use", url=server.url))
                server.up, server.error, server.failures = True, "", 0
        finally:
            server.turn.release()

    async def _failing(self, action: Visit, client: httpx2.AsyncClient, server: Server) -> Exception | None:
        """Run `action` on a server; leave the server out where that fails, and return the error.

        Before the first work raises the ConfigError or ModelError of a server that is not as it must be.
        """
        try:
            await action(client, server)
        except ServerDown as down:
            self.leave_out(server, down.reason)
            return down
        except (ConfigError, ModelError) as error:
            if not self.begun:
                raise
            self.leave_out(server, error.message)
            return error
        return None

    async def ready(self, client: httpx2.AsyncClient) -> None:
        """Return once a server is in use. Raises ModelError with all reasons after `wait` seconds without."""
        until, told = time.monotonic() + self._wait, False
        while not self.up:
            for server in self.servers:
                server.next_try = 0.0
            await self.welcome(client)
            left = until - time.monotonic()
            if self.up:
                return
            if left <= 0:
                raise self._none_left()
            if not told:
                said = "no server can be used: {reasons}; waiting {seconds:.0f} s for one"
                self._say(message(said, reasons=self._reasons(), seconds=left))
                told = True
            await asyncio.sleep(min(self.look, left))
            self.read_list()

    def _reasons(self) -> str:
        listed = [message("{url}: {reason}", url=one.url, reason=one.error) for one in self.servers]
        return joined("; ", listed or [message("the list of servers is empty")])

    def _none_left(self) -> ModelError:
        return ModelError(
            message("no server is left to sample from: {reasons}", reasons=self._reasons()),
            hint=message("see what the servers printed, start them again, and repeat the command"),
        )

    async def on_each(self, client: httpx2.AsyncClient, action: Visit) -> None:
        """Run `action` on every server in use, and leave out those that raise ServerDown.

        Raises the ConfigError or ModelError of a server that is not as it must be before the first work, and
        later where none is left.
        """
        wrong: list[ConfigError | ModelError] = []

        async def one(server: Server) -> None:
            error = await self._failing(action, client, server)
            if isinstance(error, ConfigError | ModelError):
                wrong.append(error)

        await together(one(server) for server in self.up)
        if wrong and not self.up:
            raise wrong[0]
