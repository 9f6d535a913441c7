"""The place of this process among those that `torchrun` or `accelerate launch` started together.

Nothing here imports torch; `models/world.py` has the way they speak to each other.
"""

import os
from dataclasses import dataclass

from truing.core.errors import UsageError
from truing.core.messages import message


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


def require_alone(what: str) -> None:
    """Raise UsageError where several processes were started for work that each would do by itself."""
    place = launched()
    if place.size > 1:
        error = UsageError(
            message("{what} is one process, and was started as {n}", what=what, n=place.size),
            hint=message("start it alone; `train`, `sample`, `score` and `eval` use many processes"),
        )
        error.told = not place.main
        raise error
