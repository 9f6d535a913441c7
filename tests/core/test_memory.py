"""What the allocator is told, measured by the page faults of a process of its own."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import torch
from truing.core.memory import keep_freed_memory

if sys.argv[1] == "kept" and not keep_freed_memory():
    sys.exit(9)
def allocate():
    return [torch.zeros(3_000_000).add(1) for _ in range(8)]  # 12 MB each, below what is mapped by itself
for _ in range(3):
    allocate()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    allocate()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int | None:
    done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True)
    if done.returncode == 9:
        return None
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_freed_memory_is_not_fetched_from_the_system_again():
    kept = faults("kept")
    if kept is None:
        pytest.skip("this system's allocator takes no such advice: it is not glibc's")
    given_back = faults("given back")
    assert given_back is not None and kept < given_back / 10
