"""Advice to the allocator, measured by the page faults of three processes that one with torch forks."""

import json
import os
import statistics
import subprocess
import sys

import pytest

from truing.core.memory import held_bytes, peak_bytes, room_bytes

FAULTS = """
import json, os, resource, sys
import torch
from truing.core.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    [torch.zeros(3_000_000).add(1) for _ in range(8)]  # 12 MB each, below what is mapped by itself
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def measure():
    if not keep_freed_memory():
        return 9
    print(json.dumps([faults() for _ in range(15)][4:]), flush=True)
    return 0

for _ in range(3):
    child = os.fork()
    if not child:
        os._exit(measure())
    if status := os.waitpid(child, 0)[1]:
        sys.exit(os.waitstatus_to_exitcode(status))
"""


def faults() -> list[list[int]]:
    """Of 11 steps in each process that allocate and free the same sizes, after four more."""
    env = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    env["OMP_WAIT_POLICY"] = "passive"
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, env=env)
    if done.returncode == 9:
        pytest.skip("this system's allocator takes no such advice: it is not glibc's")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_freed_memory_is_not_fetched_from_the_system_again():
    """Left to itself glibc faults 46 844 pages at each step in most processes, and by luck none in some."""
    assert [statistics.median(one) for one in faults()] == [0, 0, 0]


def test_a_process_may_take_what_it_holds_and_what_is_free(tmp_path, monkeypatch):
    held = held_bytes()
    assert 50e6 < held <= 1.1 * peak_bytes()
    assert room_bytes() > held
    limit = tmp_path / "memory.max"
    monkeypatch.setattr("truing.core.memory._LIMITS", (str(limit), str(tmp_path / "none")))
    limit.write_text("max\n")
    assert room_bytes() > held
    limit.write_text("123456789\n")
    assert room_bytes() == 123_456_789, "a container's bound"
