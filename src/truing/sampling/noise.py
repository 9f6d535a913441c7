"""Random numbers by address: the same for (seed, step, prompt, k, position) whatever else is drawn.

Philox is a function of a key and a counter, so a stream is opened anywhere without drawing its beginning.
`random_raw` is used because numpy promises its bits across versions, and does not promise `Generator`'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Address:
    """One response: its prompt's key and its place among the siblings, both below 2**64."""

    prompt: int
    k: int


def uniforms(seed: int, step: int, addresses: Sequence[Address], count: int) -> np.ndarray:
    """Draw [B, count] f32 in [0, 1), row i for addresses[i]; another `count` has the same first columns."""
    drawn = np.empty((len(addresses), count), dtype=np.float32)
    for row, address in enumerate(addresses):
        # Arrays, because numpy reads a list that holds both small and very large integers as floats.
        counter = np.array([0, address.k, address.prompt, 0], dtype=np.uint64)
        stream = np.random.Philox(key=np.array([seed, step], dtype=np.uint64), counter=counter)
        # 24 bits: as many as a float32 holds, so the largest stays below 1.
        drawn[row] = (stream.random_raw(count) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
    return drawn
