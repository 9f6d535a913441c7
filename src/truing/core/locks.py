"""Locks on open files and folders, which the kernel drops when their holder ends.

Locks, and the renames and flushes of folders in `files`, need a POSIX system. Windows is refused here, with
a message, instead of half-way through a run.
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
    """Lock an open file or folder, once its holder is done. Closing the descriptor releases the lock."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def try_hold(descriptor: int) -> bool:
    """Lock an open file or folder if nobody holds its lock; tell whether this process has it now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
