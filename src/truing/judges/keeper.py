"""Answers that arrive together are written together; each waits until it is on disk."""

import asyncio
from dataclasses import dataclass, field

from truing.judges.cache import AnswerCache, KeptAnswer


@dataclass
class Keeper:
    """Writes to a cache from one event loop, in a thread beside it. Without a cache nothing is kept."""

    cache: AnswerCache | None
    _waiting: list[tuple[KeptAnswer, asyncio.Future[None]]] = field(default_factory=list)
    _writer: asyncio.Task[None] | None = None

    async def keep(self, answer: KeptAnswer) -> None:
        """Return when the answer is on disk. Raises StorageError where it cannot be written."""
        if self.cache is None:
            return
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((answer, written))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(self.cache))
        await written

    async def _write(self, cache: AnswerCache) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(cache.put_all, [answer for answer, _ in batch])
            except Exception as error:  # of whatever kind: nobody else would tell those who wait
                for _, written in batch:
                    if not written.done():
                        written.set_exception(error)
            else:
                for _, written in batch:
                    if not written.done():
                        written.set_result(None)
