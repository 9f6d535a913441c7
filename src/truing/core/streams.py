"""The random streams of a run: functions of (seed, stream, place), so that a resumed run draws the same.

    generator(seed, Stream.RETAINED, 3) -> draws the order of the retained rows in their fourth pass

To add one: a row in `Stream`, at twice the number of the last. A number never changes: runs go on with it.
"""

from enum import IntEnum

import numpy as np

WITHIN = 2**16  # places within one step: its updates, or its epochs
# Sampling is keyed by (seed, step), see `sampling/noise.py`; an evaluation samples as this step, which no run
# reaches.
EVALUATION = 2**32


class Stream(IntEnum):
    """The streams of a run, each with the number of its first place."""

    ITEMS = 0  # + epoch: the order of the rows of an epoch
    HELD_OUT = 2**32  # the rows kept for evaluation
    RETAINED = 2**33  # + pass: the order of the retained rows in a pass through them
    UPDATES = 2**34  # + step * WITHIN + epoch: how the prompts of a step are cut into updates
    OTHERS = 2**35  # + step: the prompts that replace those whose rewards tell nothing
    TEXT = 2**36  # + step * WITHIN + update: the rows of `data.ptx` beside an update


def generator(seed: int, stream: Stream, place: int = 0) -> np.random.Generator:
    """Return the generator of one place of a stream; the same whatever was drawn before or beside it."""
    return np.random.Generator(np.random.Philox(key=[seed, stream + place]))


def within(step: int, part: int) -> int:
    """Return the place of one part of a step."""
    return step * WITHIN + part
