"""Several servers that share work, and take over the work of a server that dies.

A server that is down is left out, with its reason, and the others take its work. It stays out until its
`error` is cleared.
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
    """Return the servers that are not left out; raise ModelError with all reasons when there are none."""
    alive = [server for server in servers if not server.error]
    if not alive:
        reasons = "; ".join(f"{server.url}: {server.error}" for server in servers)
        raise ModelError(
            f"no server is left to sample from: {reasons}",
            hint="see what the servers printed, start them again, and repeat the command",
        )
    return alive


async def together(tasks: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all tasks at once. The first error ends the others and is raised as it is."""
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
    """Run `action` on every server in use; leave out a server that raises ServerDown, and `say` so."""

    async def one(server: Server) -> None:
        try:
            await action(server)
        except ServerDown as down:
            server.error = str(down)
            say(f"{server.url} is left out until the weights are next refreshed: {server.error}")

    await together([one(server) for server in in_use(servers)])


class Work(Generic[Job]):
    """Jobs to do. A group goes to one server, which reads a shared prompt once; idle servers help others."""

    def __init__(self, groups: Iterable[Sequence[Job]], servers: Sequence[Server]) -> None:
        self._queues: dict[Server, deque[Job]] = {server: deque() for server in servers}
        for place, group in enumerate(groups):
            self._queues[servers[place % len(servers)]].extend(group)

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def take(self, server: Server) -> Job | None:
        """Take the next job of this server, else the last of the longest queue; None when all are taken."""
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
    """Do every job of every group on some server, at most `IN_FLIGHT` at once on each.

    The jobs of a server that raises ServerDown go to the others. Raises ModelError when no server is left.
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
