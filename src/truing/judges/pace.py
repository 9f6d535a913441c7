"""As many requests at once as a server bears: more after answers, half after a sign that it is overrun.

The number begins at `START` and doubles with each round of answers until the first 429, 5xx, timeout or lost
connection. Each such sign halves it, once for all requests that were under way together; afterwards it grows
by one a round (additive increase, multiplicative decrease: Chiu and Jain 1989).
"""

import asyncio
import time
from collections import deque

START = 4  # requests at once in the beginning


class RequestPace:
    """Places for requests, at most `most` of them. Belongs to one event loop."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(min(most, START))
        self.overruns = 0  # how often the limit was halved
        self._doubling = True
        self._under_way = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._quiet_until = 0.0  # on the monotonic clock

    async def enter(self) -> int:
        """Wait for a place; return the number that `overrun` is given."""
        if self._under_way < int(self.limit) and not self._waiting:
            self._under_way += 1
        else:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self.leave()
                raise
        try:
            while (quiet := self._quiet_until - time.monotonic()) > 0:
                await asyncio.sleep(quiet)
        except asyncio.CancelledError:
            self.leave()
            raise
        return self.overruns

    def leave(self) -> None:
        self._under_way -= 1
        self._admit()

    def answered(self) -> None:
        """Count an answer to a request under way: while all places are taken, the server bears more."""
        if self._under_way < int(self.limit):
            return
        self.limit = min(float(self.most), self.limit + (1.0 if self._doubling else 1.0 / self.limit))
        self._admit()

    def overrun(self, entered: int, wait: float) -> None:
        """Halve the places, unless that was done since the request entered; send nothing for `wait` s."""
        self._quiet_until = max(self._quiet_until, time.monotonic() + wait)
        if entered == self.overruns:
            self._doubling = False
            self.overruns += 1
            self.limit = max(1.0, self.limit / 2)

    def _admit(self) -> None:
        while self._waiting and self._under_way < int(self.limit):
            turn = self._waiting.popleft()
            if not turn.done():
                self._under_way += 1
                turn.set_result(None)
