"""Count the tries of a call that fails for a moment, and say how long to wait before the next try.

    tries = Tries(5, first=0.5)
    while True:
        try:
            return ask()
        except Busy as error:
            pause = tries.failed(retry_after(error.header))
            if pause is None:
                raise
            time.sleep(pause)

`Tries` does not wait itself, so coroutines and functions can both use it.
"""

import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass
class Tries:
    """At most `most` tries; a pause is doubled after each, up to `longest`, and part of it is random."""

    most: int
    first: float  # seconds before the second try
    longest: float = math.inf  # seconds
    spread: float = 0.0  # share of a pause that is random: many who wait do not return at once
    done: int = 0  # how often it failed
    _spent: int = 0

    def failed(self, asked: float = 0.0, cost: int = 1) -> float | None:
        """Return the seconds to wait before the next try, or None where that was the last.

        `asked` is the least wait, in seconds, that the failed server asks for; the wait never exceeds
        `longest`. `cost` is the number of tries that the failure counts as.
        """
        self.done += 1
        self._spent += cost
        if self._spent >= self.most:
            return None
        pause = min(self.first * 2 ** (self.done - 1), self.longest)
        return min(max(asked, pause * random.uniform(1 - self.spread, 1)), self.longest)


def retry_after(value: str | None) -> float:
    """Return the seconds that a Retry-After header asks for, a number or a date; 0 where it is neither."""
    if not value:
        return 0.0
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        then = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return 0.0
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return max(0.0, (then - datetime.now(UTC)).total_seconds())
