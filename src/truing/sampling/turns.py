"""One thread that does several pieces of long work in turns, a step of each, for an event loop.

    turns = WorkInTurns()
    await turns.run(steps(), take)        take(x) is called in the event loop for each x that `steps` yields

Two models that write side by side on the same cores are as fast in turns as at once, and neither waits for
the end of the other. A task that is cancelled ends its work before the next step.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


@dataclass(eq=False)
class _Job:
    steps: Generator[Any]
    take: Callable[[Any], None]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None]
    cancelled: bool = False

    def call(self, what: Callable[..., object], *arguments: object) -> None:
        """Have the event loop call `what`; a loop that is closed waits for nothing."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(what, *arguments)

    def settle(self, error: Exception | None = None) -> None:
        """End the job in the event loop: with its result, or with the error of a step."""

        def settled() -> None:
            if self.done.done():
                return
            if error is None:
                self.done.set_result(None)
            else:
                self.done.set_exception(error)

        self.call(settled)


class WorkInTurns:
    """A thread that is started with the first work, and does not keep the process alive."""

    def __init__(self) -> None:
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    async def run(self, steps: Generator[Any], take: Callable[[Any], None]) -> None:
        """Do the steps of a generator in turn with those of others; raise what it raises.

        The generator runs in the thread alone, and is closed there.
        """
        loop = asyncio.get_running_loop()
        job = _Job(steps, take, loop, loop.create_future())
        with self._changed:
            self._jobs.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()
            self._changed.notify()
        try:
            await job.done
        finally:
            job.cancelled = True

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs)
                job = self._jobs.popleft()
            if self._goes_on(job):
                with self._changed:
                    self._jobs.append(job)
            del job  # with the frames of its error, which may hold a model

    def _goes_on(self, job: _Job) -> bool:
        """Do one step of a job; tell whether there may be another."""
        if job.cancelled:
            job.steps.close()
            return False
        try:
            found = next(job.steps)
        except StopIteration:
            job.settle()
            return False
        except Exception as error:  # raised again where the job is awaited
            job.settle(error)
            return False
        job.call(job.take, found)
        return True
