"""Several servers that share work: who is in use, and what becomes of the work of one that dies.

A server that is down is left out, with its reason, and the others take its work. It stays out until
somebody clears its `error`.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Generic, TypeVar

from truing.core.errors import ModelError
from truing.core.messages import Say
from truing.sampling.servers import Server, ServerDown

Job = TypeVar("Job")

IN_FLIGHT = 128  # requests a server has at once; vLLM queues what exceeds its own batch


def in_use(servers: Sequence[Server]) -> list[Server]:
    """The servers that are not left out; raises ModelError, with all their reasons, when there are none."""
    alive = [server for server in servers if not server.error]
    if not alive:
        reasons = "; ".join(f"{server.url}: {server.error}" for server in servers)
        raise ModelError(
            f"no server is left to sample from: {reasons}",
            hint="see what the servers printed, start them again, and repeat the command",
        )
    return alive


async def together(tasks: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Runs all at once. The first error ends the others and is raised as it is."""
    running = [asyncio.create_task(task) for task in tasks]
    try:
        await asyncio.gather(*running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def on_each(
    servers: Sequence[Server], action: Callable[[Server], Coroutine[Any, Any, None]], say: Say
) -> None:
    """Runs `action` on every server in use. One that raises ServerDown is left out, and `say` hears of it."""

    async def one(server: Server) -> None:
        try:
            await action(server)
        except ServerDown as down:
            server.error = str(down)
            say(f"{server.url} is left out until the weights are next refreshed: {server.error}")

    await together([one(server) for server in in_use(servers)])


class Work(Generic[Job]):
    """Jobs to do. Each group starts out at one server, which reads a shared prompt once; the idle help."""

    def __init__(self, groups: Iterable[Sequence[Job]], servers: Sequence[Server]) -> None:
        self._queues: dict[Server, deque[Job]] = {server: deque() for server in servers}
        for place, group in enumerate(groups):
            self._queues[servers[place % len(servers)]].extend(group)

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def take(self, server: Server) -> Job | None:
        """The next job of this server, or else the last of the longest queue; None when all are taken."""
        if self._queues[server]:
            return self._queues[server].popleft()
        longest = max(self._queues.values(), key=len)
        return longest.pop() if longest else None

    def give_back(self, server: Server, job: Job) -> None:
        self._queues[server].append(job)


async def spread(
    servers: Sequence[Server],
    groups: Iterable[Sequence[Job]],
    do: Callable[[Server, Job], Awaitable[None]],
    say: Say,
) -> None:
    """Has every job of every group done by some server, at most `IN_FLIGHT` at once on each.

    The jobs of a server that raises ServerDown go to the others; ModelError when none is left.
    """
    work = Work(groups, in_use(servers))

    async def worker(server: Server) -> None:
        while (job := work.take(server)) is not None:
            try:
                await do(server, job)
            except BaseException:
                work.give_back(server, job)
                raise

    async def serve(server: Server) -> None:
        # The first worker to find the server dead ends the others, which may be waiting for it.
        await together([worker(server) for _ in range(workers)])

    while len(work):
        workers = min(IN_FLIGHT, -(-len(work) // len(in_use(servers))))
        await on_each(servers, serve, say)
