"""Work in a child process, killed or refused at one of its file operations.

`in_child` forks: the child has all that was opened before, so an attempt costs a fraction of a second. In the
child, Python's audit events of opening for writing, making, renaming and removing below a folder are counted,
and so are `fsync` and the writing of tensors, which goes on disk in half where it is cut.
"""

import errno
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truing.core.faults import explained
from truing.models import checkpoint

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
REMOVES = {"os.remove", "os.rmdir"}
COUNTED = REMOVES | {"open", "os.mkdir", "os.rename"}
FULL = {errno.ENOSPC, errno.EDQUOT}  # a full disk lets files be removed


@dataclass
class Operations:
    """Counts operations below `root`; the one of `number` is killed, or it and all later ones are refused."""

    root: Path
    number: int = 0  # 0: none
    refusal: int = 0  # an errno; 0 kills
    count: int = 0

    def watch(self) -> None:
        """Watch this process until it ends: an audit hook cannot be taken back."""
        inside, fsync, save_file = os.fspath(self.root), os.fsync, checkpoint.save_file

        def hook(event: str, given: tuple[Any, ...]) -> None:
            if event not in COUNTED or not isinstance(given[0], str | bytes | os.PathLike):
                return
            if event == "open" and not (given[2] & WRITES):
                return
            path = os.fsdecode(given[0])
            by_folder = event in REMOVES and given[1] != -1  # rmtree names files by their folder's descriptor
            if path.startswith(inside) or by_folder:
                self.happens(path, removes=event in REMOVES)

        def flushed(descriptor: int) -> None:
            self.happens("")
            fsync(descriptor)

        def saved(tensors: dict[str, Any], path: Path) -> None:
            save_file(tensors, path)
            content = path.read_bytes()
            os.truncate(path, len(content) // 2)
            self.happens(str(path))
            path.write_bytes(content)

        sys.addaudithook(hook)
        os.fsync = flushed
        checkpoint.save_file = saved

    def happens(self, path: str, *, removes: bool = False) -> None:
        self.count += 1
        if not self.number or self.count < self.number:
            return
        if not self.refusal:
            os.kill(os.getpid(), signal.SIGKILL)
        if not (removes and self.refusal in FULL):
            raise OSError(self.refusal, os.strerror(self.refusal), path or None)


@dataclass(frozen=True)
class Child:
    """The end of a child: its exit code, negative for a signal, and what it told."""

    code: int
    told: dict[str, Any]


def in_child(work: Callable[[dict[str, Any]], object], told: Path) -> Child:
    """Do work in a forked child, which puts facts into the given dictionary. Errors end as in `main`."""
    told.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        facts: dict[str, Any] = {}
        code = 1
        try:
            work(facts)
            code = 0
        except Exception as error:
            known = explained(error)
            code = known.exit_code
            facts |= {"error": str(known), "hint": known.hint, "kind": type(known).__name__}
        finally:
            with told.open("w") as file:
                json.dump(facts, file)
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return Child(code, json.loads(told.read_text()) if told.exists() and code >= 0 else {})
