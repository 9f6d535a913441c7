"""Numbers that several open pages ask for: computed by one request at a time, and kept for a while."""

import threading
import time
from collections.abc import Callable
from typing import Any

from truing.core.languages import Language
from truing.core.words import spoken

LEAST = 2.0  # seconds that numbers are kept
SHARE = 2.0  # numbers are kept this many times as long as they take


class LiveNumbers:
    """The latest result of `make`, which is called again once its result is old."""

    def __init__(self, make: Callable[[], list[dict[str, Any]]]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._kept: dict[Language, tuple[float, list[dict[str, Any]]]] = {}

    def tables(self) -> list[dict[str, Any]]:
        """Return the numbers in the language spoken, not older than the time they may be kept."""
        with self._lock:
            until, found = self._kept.get(spoken(), (0.0, []))
            began = time.monotonic()
            if began >= until:
                found = self._make()
                ended = time.monotonic()
                self._kept[spoken()] = (ended + max(LEAST, SHARE * (ended - began)), found)
            return found
