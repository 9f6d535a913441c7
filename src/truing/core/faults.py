"""Exceptions that reach the end of a program, each told as one message without its trace.

An error of the system, such as a disk that has turned read-only, is a `StorageError`. Any other is a fault of
this program, or of the user's own code where that raised it. Its trace is written to `truing.log`, beside the
run that this process held last, else in the cache folder.
"""

import errno
import platform
import sysconfig
import traceback
from datetime import UTC, datetime
from pathlib import Path

from truing.core.errors import MemoryShortError, StorageError, TruingError
from truing.core.messages import message
from truing.core.places import cache_folder
from truing.core.secrets import hidden
from truing.core.version import __version__

LOG = "truing.log"
# What the numbers of the system's errors mean for a file or folder, and what to do.
HINTS = {
    errno.EACCES: "give this user the right to it, or choose another path",
    errno.EPERM: "give this user the right to it, or choose another path",
    errno.EROFS: "mount it so that it can be written, or choose another path",
    errno.ENOSPC: "free some space; then the same command goes on where it can",
    errno.EDQUOT: "free some of the quota; then the same command goes on where it can",
    errno.EIO: "the disk or the network behind it fails: check it, then run the same command again",
    errno.ESTALE: "the network behind it fails: mount it again, then run the same command again",
    errno.EISDIR: "a folder stands where a file is expected: move it away, or choose another path",
    errno.ENOTDIR: "a file stands where a folder is expected: move it away, or choose another path",
    errno.ENOENT: "it was there and has gone, or a path is wrong: put it back, or choose another path",
    errno.ENOTEMPTY: "another program writes in it: end that program, then run the same command again",
    errno.EBUSY: "another program uses it: end that program, then run the same command again",
    errno.EMFILE: "let this process open more files (ulimit -n)",
    errno.ENFILE: "let this machine open more files, or end other programs",
    errno.ELOOP: "its links lead round in a circle: mend them",
    errno.ENAMETOOLONG: "choose a shorter path",
}

_last: list[Path] = []  # the folder that this process held last


class OwnFault(TruingError):
    """An exception that nobody foresaw."""

    code = "fault"


class OwnCodeError(TruingError):
    """A function of the user's own, or a script that calls truing, raised."""

    code = "own code"


def log_beside(folder: Path) -> None:
    """Write the trace of a fault in this folder from now on."""
    _last[:] = [folder]


def explained(error: Exception) -> TruingError:
    """Return what a person is told of an exception. The trace of a fault is in a log before this returns."""
    if isinstance(error, TruingError):
        return error
    if isinstance(error, OSError) and error.errno in HINTS:
        reason = error.strerror or error
        if error.filename is None:
            return StorageError(
                message("the system refused: {reason}", reason=reason), hint=message(HINTS[error.errno])
            )
        said = message("{path}: {reason}", path=_path_of(error.filename), reason=reason)
        return StorageError(said, hint=message(HINTS[error.errno]))
    if isinstance(error, MemoryError):
        return MemoryShortError(
            message("there is not enough memory"),
            hint=message("end other programs, or lower tokens_per_pass, items_per_step or max_tokens"),
        )
    return _fault(error)


def _path_of(name: object) -> str:
    return name.decode(errors="backslashreplace") if isinstance(name, bytes) else str(name)


def _fault(error: Exception) -> TruingError:
    kind, text = type(error).__name__, " ".join(str(error).split())[:500]
    log = _written("".join(traceback.format_exception(error)))
    if place := _outside(error):
        hint = message("mend it there; {log} says more", log=log) if log else message("mend it there")
        said = message("code of your own failed: {kind}: {text} ({place})", kind=kind, text=text, place=place)
        return OwnCodeError(said, hint=hint)
    said = message("this is a fault of truing: {kind}: {text}", kind=kind, text=text)
    if log is None:
        hint = message("set TRUING_CACHE to a folder that can be written; its truing.log then says more")
    else:
        hint = message("please report it with {log}, which says more", log=log)
    return OwnFault(said, hint=hint)


def _outside(error: Exception) -> str:
    """Return the file and line that raised, where it is neither truing's, a package's nor Python's."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames or frames[-1].filename.startswith("<"):
        return ""
    file = Path(frames[-1].filename).resolve()
    foreign = {"site-packages", "dist-packages"}.isdisjoint(file.parts)
    ours = (Path(__file__).parents[1], Path(sysconfig.get_path("stdlib")).resolve())
    return f"{file}:{frames[-1].lineno}" if foreign and not any(map(file.is_relative_to, ours)) else ""


def _written(trace: str) -> Path | None:
    """Add a trace to the log; return its path, or None where no place can be written."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    entry = f"{now} truing {__version__}, Python {platform.python_version()}\n{hidden(trace)}\n"
    for folder in (lambda: _last[0], cache_folder):
        try:
            place = folder()
            place.mkdir(parents=True, exist_ok=True)
            with (place / LOG).open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(entry)
        except (OSError, IndexError, StorageError):
            continue
        return place / LOG
    return None
