"""The process that writes in a folder: of a run, or of rows that models make.

`run.lock` names its holder. An flock guards only the moment of reading and writing that name; held for as
long as the holder works, it would outlive a killed process in the workers it forked.
"""

import json
import logging
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from truing.core import faults, files, locks
from truing.core.errors import UsageError
from truing.core.messages import message

LOCK = "run.lock"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that writes in a folder. `birth` tells it from a later one with its pid."""

    pid: int
    host: str
    birth: float

    @property
    def alive(self) -> bool:
        """Tell whether the process still runs; true for one on another host, which nobody can check."""
        return self.host != socket.gethostname() or _birth(self.pid) == self.birth


def acquire(path: Path, *, within: str = "") -> Holder:
    """Create a folder, and `within` in it, where needed, and write this process into its lock.

    A lock whose process died is taken over, and files it left half written are removed. Raises
    `UsageError` when another process writes here, `StorageError` when nobody can.
    """
    try:
        (path / within).mkdir(parents=True, exist_ok=True)
        holder = _acquire(path)
        _remove_leftovers(path)
    except OSError as error:
        raise files.cannot_write(path, 0, error) from error
    faults.log_beside(path)
    return holder


def require_free(path: Path) -> None:
    """Raise `UsageError` where another process writes in a folder, before work that `acquire` comes after."""
    found = holder(path)
    if found is not None:
        raise _in_use(path, found)


def release(path: Path, mine: Holder) -> None:
    """Release a folder. Do nothing when called twice, in a forked child or when the folder is gone.

    On a disk that refuses, a line is logged: the lock names a process that ends, and the next takes it over.
    """
    if mine.pid != os.getpid() or not (path / LOCK).exists():
        return
    try:
        with _exclusive(path) as lock:
            if _named_holder(os.pread(lock, 4096, 0)) == mine:
                os.ftruncate(lock, 0)
    except OSError as error:
        log.warning("%s is not released: %s", path / LOCK, error.strerror)


def holder(path: Path) -> Holder | None:
    """Return the living process that writes in a folder, if there is one."""
    lock = path / LOCK
    found = _named_holder(lock.read_bytes()) if lock.exists() else None
    return found if found is not None and found.alive else None


@contextmanager
def _exclusive(path: Path) -> Generator[int]:
    lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        locks.hold(lock)
        yield lock
    finally:
        os.close(lock)


def _acquire(path: Path) -> Holder:
    """Write this process into the lock, or raises `UsageError` naming the one that holds it."""
    birth = _birth(os.getpid())
    assert birth is not None
    mine = Holder(os.getpid(), socket.gethostname(), birth)
    with _exclusive(path) as lock:
        found = _named_holder(os.pread(lock, 4096, 0))
        if found is not None and found.alive:
            raise _in_use(path, found)
        if found is not None:
            log.info("%s: taking over from process %d, which is gone", path, found.pid)
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps(asdict(mine)).encode(), 0)
        os.fsync(lock)
    return mine


def _in_use(path: Path, found: Holder) -> UsageError:
    hint = message("wait for it, stop it, or choose another output")
    if found.host != socket.gethostname():
        told = "wait for it, stop it, or choose another output; if {host} is gone, remove {lock}"
        hint = message(told, host=found.host, lock=path / LOCK)
    said = "{path} is in use by process {pid} on {host}"
    return UsageError(message(said, path=path, pid=found.pid, host=found.host), hint=hint)


def _named_holder(content: bytes) -> Holder | None:
    """Read the process that a lock names; None for a torn name, whose writer died while writing it."""
    try:
        return Holder(**json.loads(content))
    except (ValueError, TypeError):
        return None


def _birth(pid: int) -> float | None:
    """Find the time at which a process started; None if the process is gone.

    Linux counts from boot, which setting the clock does not change; elsewhere it is the wall clock.
    """
    stat = Path(f"/proc/{pid}/stat")
    try:
        if not Path("/proc/self/stat").exists():
            return psutil.Process(pid).create_time()
        state, *fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess):
        return None
    return None if state in "ZX" else float(fields[18])


def _remove_leftovers(path: Path) -> None:
    leftovers = list(path.glob(f".*{files.TEMPORARY}*"))
    for leftover in leftovers:
        leftover.unlink()
    if leftovers:
        log.info("%s: removed %d files that were never finished", path, len(leftovers))
