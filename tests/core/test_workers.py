"""Work on items in several processes: in order, in bounded memory, and with nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from truing.core.errors import DataError, MemoryShortError
from truing.core.workers import AHEAD, mapped, useful_workers


def slow_when_even(item: int) -> tuple[int, int]:
    time.sleep(0.05 if item % 2 == 0 else 0)
    return item, os.getpid()


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_the_order_of_the_items(workers: int):
    found = list(mapped(slow_when_even, range(20), workers=workers))
    assert [item for item, _ in found] == list(range(20))
    assert (os.getpid() in {pid for _, pid in found}) is (workers == 1)


def test_the_function_needs_no_pickling():
    held = {"n": 7}
    assert list(mapped(lambda item: item + held["n"], [1, 2], workers=2)) == [8, 9]


def test_few_items_are_taken_before_their_turn():
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    results = mapped(lambda item: item, items(), workers=2)
    assert next(results) == 0
    assert len(taken) <= 2 * AHEAD + 2
    results.close()  # pyright: ignore[reportAttributeAccessIssue]


def refuse(item: int) -> int:
    if item == 3:
        raise DataError(f"row {item} is bad", hint="mend it")
    return item


def test_an_error_is_raised_with_its_hint_and_no_process_stays():
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(DataError, match="row 3 is bad") as caught:
        list(mapped(refuse, range(50), workers=2))
    assert caught.value.hint == "mend it"
    assert set(psutil.Process().children(recursive=True)) <= before


def test_a_worker_that_the_system_ends_is_told():
    with pytest.raises(MemoryShortError, match="ended a process"):
        list(mapped(lambda item: os.kill(os.getpid(), signal.SIGKILL), [1, 2], workers=2))


def test_workers_end_with_their_parent():
    code = (
        "import os, time\n"
        "from truing.core.workers import mapped\n"
        "def work(item):\n    os.write(1, b'%d\\n' % os.getpid())\n    time.sleep(60)\n"
        "list(mapped(work, range(4), workers=2))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pids = [int(parent.stdout.readline()) for _ in range(2)]
        parent.kill()
    deadline = time.monotonic() + 20
    while any(map(psutil.pid_exists, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_there_is_at_least_one_worker():
    assert 1 <= useful_workers() <= 8
