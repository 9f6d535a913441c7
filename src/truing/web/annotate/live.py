"""Numbers that several open pages ask for: computed by one request at a time, and kept for a while."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from truing.core.languages import Language
from truing.core.words import spoken

LEAST = 2.0  # seconds that numbers are kept
SHARE = 2.0  # numbers are kept this many times as long as they take


@dataclass(frozen=True, slots=True)
class _KeptNumbers:
    """Numbers, the moment until which they are new enough, and the stamp that they were made at."""

    until: float
    stamp: object
    tables: list[dict[str, Any]]


class LiveNumbers:
    """The latest result of `make`, which is called again once its result is old and `stamp` is another."""

    def __init__(self, make: Callable[[], list[dict[str, Any]]], stamp: Callable[[], object]) -> None:
        self._make, self._stamp = make, stamp
        self._lock = threading.Lock()
        self._kept: dict[Language, _KeptNumbers] = {}

    def tables(self) -> list[dict[str, Any]]:
        """Return the numbers in the language spoken, not older than the time they may be kept."""
        with self._lock:
            kept, began = self._kept.get(spoken()), time.monotonic()
            if kept is not None and began < kept.until:
                return kept.tables
            stamp = self._stamp()  # before the numbers: what comes in between makes them anew
            if kept is None or kept.stamp != stamp:
                tables = self._make()
                ended = time.monotonic()
                kept = _KeptNumbers(ended + max(LEAST, SHARE * (ended - began)), stamp, tables)
                self._kept[spoken()] = kept
            return kept.tables
