"""The folder in which this program keeps what it can make again."""

import os
import tempfile
from functools import cache
from pathlib import Path

from truing.core.errors import StorageError
from truing.core.messages import message

OWN = "TRUING_CACHE"  # the variable that names another folder


def cache_folder() -> Path:
    """Return the folder of converted models, kept references and rows: `TRUING_CACHE`, else the user's.

    Where the user's cache folder cannot be written, as in a container without a home, the folder lies among
    the system's temporary files and belongs to this user alone.
    """
    if chosen := os.environ.get(OWN):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    usual = (Path(base) if base else Path("~").expanduser() / ".cache") / "truing"
    return usual if _can_hold(usual) else _temporary()


@cache
def _can_hold(folder: Path) -> bool:
    """Tell whether this process can write in a folder, or make it."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _temporary() -> Path:
    """Return this user's folder among the temporary files. Raises StorageError where another has taken it."""
    folder = Path(tempfile.gettempdir()) / f"truing-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise StorageError(
            message("{path} belongs to somebody else", path=folder),
            hint=message("set TRUING_CACHE to a folder of your own"),
        )
    return folder
