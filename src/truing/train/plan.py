"""Which items every step takes: a function of (seed, step) alone, so a resumed run sees the same."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Plan:
    """Epochs of shuffled items, cut into steps; the last step of an epoch may be smaller."""

    items: int
    items_per_step: int
    epochs: float
    seed: int
    max_steps: int | None = None

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
        order = np.random.Generator(np.random.Philox(key=[self.seed, epoch])).permutation(self.items)
        start = (step - 1 - epoch * self.steps_per_epoch) * self.items_per_step
        return order[start : start + self.items_per_step].tolist()
