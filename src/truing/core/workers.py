"""Map a function over items in processes of this machine, in the order of the items and in bounded memory.

    for found in mapped(work, items, workers=4): ...

`work` and all it holds are there in the processes since these are forked, so nothing of it is pickled; items
and results are. Where the system does not fork safely, or one worker is asked for, `work` runs in this
process. It must not use threads of this process, nor torch.
"""

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from truing.core.errors import MemoryShortError
from truing.core.messages import message

T = TypeVar("T")
U = TypeVar("U")

MOST = 8  # workers: one process that reads cannot feed more
AHEAD = 3  # items per worker that wait or are being worked on

_work: list[Callable[[Any], Any]] = []  # in a worker: its function


def useful_workers() -> int:
    """Count the processors that this process may use, at most `MOST`; 1 where processes are not forked."""
    if not sys.platform.startswith("linux"):
        return 1
    return min(MOST, len(os.sched_getaffinity(0)))


def mapped(work: Callable[[T], U], items: Iterable[T], *, workers: int) -> Iterator[U]:
    """Yield `work(item)` of every item, in their order; few items are taken before their turn.

    An error of `work` is raised here. Raises MemoryShortError where the system ends a worker.
    """
    if workers <= 1:
        yield from map(work, items)
        return
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(work, os.getpid()))
    waiting: deque[Future[U]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(_run, item))
            if len(waiting) > AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise MemoryShortError(
            message("the system has ended a process that worked on rows"),
            hint=message("free some memory and run the same command"),
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(work: Callable[[Any], Any], parent: int) -> None:
    """Set up a worker: it ends with its parent, and leaves Ctrl-C and SIGTERM to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    gc.freeze()  # else each collection passes over what the parent has imported, and copies its pages
    _work[:] = [work]


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _run(item: Any) -> Any:
    return _work[0](item)
