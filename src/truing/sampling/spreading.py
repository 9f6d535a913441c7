"""One piece of work spread over the servers of a fleet: every job is done once, by whoever is there.

A group of jobs goes to the server that would come to it first: fewest requests under way over the pace that
its responses have had. Jobs of a server that fails go to the others, and a server that comes back gets its
share of what still waits.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Generic, TypeVar

import httpx2

from truing.core.messages import message
from truing.sampling.fleet import Fleet
from truing.sampling.servers import Server, ServerDown, answers

Job = TypeVar("Job")
Do = Callable[[Server, Job], Coroutine[Any, Any, int]]  # returns the number of tokens drawn

IN_FLIGHT = 128  # requests a server has at once; vLLM queues what exceeds its own batch
MISSED = 3  # looks in a row without an answer, after which a server is dead


def _always() -> bool:
    return True


async def spread(
    fleet: Fleet,
    client: httpx2.AsyncClient,
    groups: Iterable[Sequence[Job]],
    do: Do[Job],
    *,
    in_flight: int | None = None,
    room: Callable[[], bool] = _always,
) -> None:
    """Do every job of every group once, at most `in_flight` (`IN_FLIGHT`) at a time on each server.

    A group is taken when a server is free for it and `room` holds, which it must where no job is under way:
    groups may be as many as the rows of a file. Raises ModelError when no server could be used for as long as
    the fleet waits, and the first error of `do` that is not ServerDown.
    """
    await _Spread(fleet, client, groups, do, in_flight or IN_FLIGHT, room).run()


class _Spread(Generic[Job]):
    """The jobs that wait, and those under way."""

    def __init__(
        self,
        fleet: Fleet,
        client: httpx2.AsyncClient,
        groups: Iterable[Sequence[Job]],
        do: Do[Job],
        in_flight: int,
        room: Callable[[], bool],
    ) -> None:
        self.fleet, self.client, self.do = fleet, client, do
        self.in_flight, self.room = in_flight, room
        self.coming = (group for group in groups if group)
        self.ended = False  # no group comes any more
        self.waiting: deque[Sequence[Job]] = deque()
        self.running: dict[asyncio.Task[int], tuple[Server, Job, float]] = {}
        self.loads: Counter[Server] = Counter()
        self.missed: Counter[Server] = Counter()
        # A task that has ended, a server that is dead, or None: a server may have come back.
        self.news: asyncio.Queue[asyncio.Task[int] | Server | None] = asyncio.Queue()

    async def run(self) -> None:
        beside = [asyncio.create_task(self._welcome()), asyncio.create_task(self._look())]
        for task in beside:
            task.add_done_callback(lambda _: self.news.put_nowait(None))
        try:
            while self._more() or self.running:
                if not self.running:
                    await self.fleet.ready(self.client)
                self._hand_out()
                await self._take_in(await self.news.get())
                for task in beside:
                    if task.done():
                        task.result()  # neither ends but by an error
            assert self.ended, "there was no room although no job was under way"
        finally:
            ending = [*beside, *self.running]
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    def _more(self) -> bool:
        """Tell whether a group waits, after taking the next one where there is room for it."""
        if not self.waiting and not self.ended and self.room():
            group = next(self.coming, None)
            if group is None:
                self.ended = True
            else:
                self.waiting.append(group)
        return bool(self.waiting)

    def _hand_out(self) -> None:
        """Start jobs where there is room for them, a group at one server."""
        up = self.fleet.up
        known = [server.pace for server in up if server.pace]
        usual = sum(known) / len(known) if known else 1.0
        while up:
            first = min(up, key=lambda server: (self.loads[server] + 1) / (server.pace or usual))
            room = self.in_flight - self.loads[first]
            if room <= 0 or not self._more():
                return
            group = self.waiting.popleft()
            if group[room:]:
                self.waiting.appendleft(group[room:])
            for job in group[:room]:
                task = asyncio.create_task(self.do(first, job))
                self.running[task] = (first, job, time.monotonic())
                self.loads[first] += 1
                task.add_done_callback(self.news.put_nowait)

    async def _take_in(self, news: "asyncio.Task[int] | Server | None") -> None:
        if isinstance(news, Server):
            await self._withdraw(news)
        elif news is not None and news in self.running:  # else it was withdrawn
            server, job, begun = self._ended(news)
            try:
                server.measured(news.result(), time.monotonic() - begun)
            except ServerDown as down:
                self.waiting.appendleft([job])
                if server.up:
                    self.fleet.leave_out(server, down.reason)
                await self._withdraw(server)

    def _ended(self, task: "asyncio.Task[int]") -> tuple[Server, Job, float]:
        server, job, begun = self.running.pop(task)
        self.loads[server] -= 1
        return server, job, begun

    async def _withdraw(self, server: Server) -> None:
        """End the requests to a server, and let other servers do the jobs that have not ended."""
        own = [task for task, (at, _, _) in self.running.items() if at is server]
        for task in own:
            task.cancel()
        results = await asyncio.gather(*own, return_exceptions=True)
        for task, result in zip(own, results, strict=True):
            _, job, _ = self._ended(task)
            if isinstance(result, ServerDown | asyncio.CancelledError):
                self.waiting.appendleft([job])
            elif isinstance(result, BaseException):
                raise result

    async def _welcome(self) -> None:
        """Take servers into use that have come back, or are new in the list."""
        while True:
            self.fleet.read_list()
            before = set(self.fleet.up)
            if before != set(self.fleet.servers):
                await self.fleet.welcome(self.client)
            if set(self.fleet.up) - before:
                self.news.put_nowait(None)
            await asyncio.sleep(self.fleet.look)

    async def _look(self) -> None:
        """Find servers that are dead although their connections stand: a machine that lost its power."""
        while True:
            await asyncio.sleep(self.fleet.look)
            at_work = [server for server in self.fleet.up if self.loads[server]]
            well = await asyncio.gather(*(answers(self.client, server) for server in at_work))
            for server, is_well in zip(at_work, well, strict=True):
                self.missed[server] = 0 if is_well else self.missed[server] + 1
                if self.missed[server] >= MISSED and server.up:
                    self.missed[server] = 0
                    said = "{count} questions whether it is well went without answer"
                    self.fleet.leave_out(server, message(said, count=MISSED))
                    self.news.put_nowait(server)
