"""Patterns of module names, matched in bounded time: Python's `re` can take years for one from anybody."""

import re
import time
from collections.abc import Sequence

import regex

PATTERN_SECONDS = 2.0  # that the patterns of an adapter may take over all names of its base
PLAIN = re.compile(r"[\w.-]+")  # a name, and no pattern


class PatternError(ValueError):
    """A pattern that cannot be read, or takes too long."""


class Patterns:
    """The names of a model's modules, and the time that is left for patterns over them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._until = time.monotonic() + PATTERN_SECONDS

    def matching(self, pattern: str) -> list[str]:
        """List the names that a pattern matches whole. Raises PatternError."""
        try:
            return [name for name in self._names if self._fits(pattern, name)]
        except (regex.error, TimeoutError) as error:
            raise PatternError(str(error)) from error

    def _fits(self, pattern: str, name: str) -> bool:
        left = max(0.001, self._until - time.monotonic())
        return regex.fullmatch(pattern, name, timeout=left) is not None
