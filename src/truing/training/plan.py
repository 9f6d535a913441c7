"""The items of every step: a function of (seed, step) alone, so that a resumed run sees the same items."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from truing.core.streams import Stream, generator


@dataclass(frozen=True)
class Plan:
    """Epochs of shuffled items, cut into steps; the last step of an epoch may be smaller.

    Every step also takes `retained_per_step` of the `retained` items (None: `items_per_step`), numbered from
    `items` on, which are shuffled and gone through at their own pace and do not count towards an epoch.
    """

    items: int
    items_per_step: int
    epochs: float
    seed: int
    max_steps: int | None = None
    retained: int = 0
    retained_per_step: int | None = None

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(self.items / self.items_per_step)

    @property
    def total(self) -> int:
        """Optimiser steps of the whole run."""
        # Rounded first: 100 steps of 1.1 epochs are 110.00000000000001 in floating point.
        steps = max(1, math.ceil(round(self.steps_per_epoch * self.epochs, 6)))
        return min(steps, self.max_steps) if self.max_steps else steps

    def epoch_of(self, step: int) -> int:
        return (step - 1) // self.steps_per_epoch

    def items_of(self, step: int) -> list[int]:
        """The items of optimiser step `step` (1 .. total)."""
        epoch = self.epoch_of(step)
        order = _order(self.seed, epoch, self.items)
        start = (step - 1 - epoch * self.steps_per_epoch) * self.items_per_step
        return order[start : start + self.items_per_step].tolist() + self._retained_of(step)

    def _retained_of(self, step: int) -> list[int]:
        per_step = min(self.retained_per_step or self.items_per_step, self.retained)
        if not per_step:
            return []
        steps = self.retained // per_step  # whole steps only: an order's tail is left out
        order = generator(self.seed, Stream.RETAINED, (step - 1) // steps)
        start = (step - 1) % steps * per_step
        return (self.items + order.permutation(self.retained)[start : start + per_step]).tolist()


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, items: int) -> np.ndarray:
    """Return the order of an epoch, which of a million rows takes longer than a small step."""
    return generator(seed, Stream.ITEMS, epoch).permutation(items)
