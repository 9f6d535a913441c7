"""The number of tokens in a pass: the number asked for, or half of a pass that did not fit in memory.

    room.within(4096)     the size of the passes
    attempt(work, batch)  the result of `work`, or an `Overfull` where memory ran out

The memory of a failed pass is freed before the next pass begins: no exception with its frames is kept.
`passes.run_passes` cuts passes anew where one is too large.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch

from truing.core.errors import MemoryShortError
from truing.data.packing import PackedBatch

log = logging.getLogger(__name__)
T = TypeVar("T")
# How PyTorch's CPU allocator, its libraries and C++ itself say it; CUDA has a class for it.
_SAID = ("can't allocate memory", "out of memory", "ALLOC_FAILED", "bad_alloc", "could not allocate")


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error is that of an allocation that failed."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in _SAID)


class Overfull(MemoryShortError):
    """Memory ran out in a pass. `items` are its trees; `at` names them for people."""

    def __init__(self, tokens: int, items: Sequence[int]) -> None:
        self.tokens, self.items = tokens, tuple(items)
        super().__init__(self._told([f"number {item}" for item in self.items]), hint=HINT)

    def at(self, places: Sequence[str]) -> MemoryShortError:
        """Return this error with each item as `file:line`; `places` holds those of all items."""
        return MemoryShortError(self._told([places[item] for item in self.items]), hint=HINT)

    def held_out(self) -> MemoryShortError:
        """Return this error for an item of an evaluation."""
        return MemoryShortError(self._told([f"{i + 1} of those held out" for i in self.items]), hint=HINT)

    def _told(self, rows: Sequence[str]) -> str:
        named = f"{', '.join(rows[:3])}{' …' if len(rows) > 3 else ''}"
        return f"memory does not hold a pass of {self.tokens} tokens (row {named})"


HINT = (
    "one row is the least that a pass holds: lower data.max_tokens, set activation_checkpointing: true,"
    " or train fewer weights"
)


def attempt(work: Callable[[], T], batch: Callable[[], PackedBatch]) -> T | Overfull:
    """Return the result of `work`, or an `Overfull` with the pass of `batch` where memory ran out."""
    found = unless_short(work)
    if not isinstance(found, Short):
        return found
    short = batch()
    return Overfull(short.tokens.numel(), short.items)


class Short:
    """A sign that memory ran out; the memory of the failed work is free again."""


def unless_short(work: Callable[[], T]) -> T | Short:
    """Return the result of `work`, or a `Short` where an allocation in it fails."""
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    return Short()


@dataclass
class Room:
    """The size of a pass that memory holds. `most` is None until memory runs out."""

    most: int | None = field(default=None)  # tokens

    def within(self, tokens: int) -> int:
        """Return `tokens`, or the number that fits if that is less."""
        return tokens if self.most is None else min(tokens, self.most)

    def halve(self, found: Overfull) -> None:
        """Limit passes to half of one that did not fit. Raises `found` for a pass of a single tree."""
        if len(found.items) < 2:
            raise found
        self.lower(found)

    def lower(self, found: Overfull) -> None:
        """Limit passes to half of one that did not fit, also where it holds a single tree."""
        self.most = max(1, found.tokens // 2)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()  # in pieces of the larger pass
        said = "memory ran out in a pass of %d tokens: passes hold %d from here on, steps are the same"
        log.warning(said, found.tokens, self.most)

    def state(self) -> dict[str, Any]:
        """Return the state for a resumed run; empty if memory was always enough."""
        return {} if self.most is None else {"tokens_per_pass": self.most}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.most = state.get("tokens_per_pass")
