"""The memory of this process: its peak, and a way to keep freed memory for the next step."""

import ctypes
import resource
import sys

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


def peak_bytes() -> int:
    """The most memory this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
