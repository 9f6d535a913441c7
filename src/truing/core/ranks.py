"""The place of this process among those that `torchrun` or `accelerate launch` started together.

Nothing here imports torch; `models/world.py` has the way they speak to each other.
"""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Launch:
    """One of `size` processes; `local` is its number on its own machine."""

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def main(self) -> bool:
        """Tell whether this is rank 0, which alone writes, says and asks."""
        return self.rank == 0


def launched() -> Launch:
    """Read the place of this process from its environment; alone where nothing says otherwise."""
    if "RANK" not in os.environ or "MASTER_ADDR" not in os.environ:
        return Launch()
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    return Launch(*(int(os.environ.get(name, default)) for name, default in zip(names, "010", strict=True)))
