"""Locks on open files and folders, which the kernel drops when their holder ends.

They are those of POSIX systems, as are the renames and flushes of folders in `files`: Windows has none of
them, and says so here instead of failing half-way through a run.
"""

import sys

from truing.core.errors import UsageError

if sys.platform == "win32":
    raise UsageError(
        "truing runs on Linux and macOS, and not on Windows itself",
        hint="install it inside WSL: `wsl --install`, then the same commands in its terminal",
    )

import fcntl


def hold(descriptor: int) -> None:
    """Lock an open file or folder, waiting for whoever holds it. Closing the descriptor gives it back."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def try_hold(descriptor: int) -> bool:
    """Lock an open file or folder if nobody holds it; returns whether it is held now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
