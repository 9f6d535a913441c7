"""The memory of this process: its peak, and a way to keep freed memory for the next step."""

import ctypes
import os
import resource
import sys
from pathlib import Path

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt(3)
_LARGEST_MAPPED = 32 << 20  # the most that glibc takes; larger buffers come from the system each time
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Tell the allocator to keep freed memory; return whether it obeys, as glibc's does.

    By default glibc returns memory that is freed at the end of its heap, and the system then zeroes every
    page of the next step's tensors.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST_MAPPED)) and bool(mallopt(_TRIM_THRESHOLD, _NEVER))


_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of a container


def held_bytes() -> int:
    """Return the memory that this process holds now."""
    import psutil  # `truing --help` imports this module

    return psutil.Process(os.getpid()).memory_info().rss


def room_bytes() -> int:
    """Return the memory that this process may take: what is free and what it holds, within its container."""
    import psutil

    texts = [path.read_text(encoding="ascii").strip() for path in map(Path, _LIMITS) if path.exists()]
    limits = [int(text) for text in texts if text != "max"]
    return min([psutil.virtual_memory().available + held_bytes(), *limits])


def peak_bytes() -> int:
    """The most memory this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
