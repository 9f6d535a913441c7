"""Check folders of weights against the manifest that they were written with, when they are opened."""

from collections.abc import Iterator
from pathlib import Path

from truing.core.errors import StorageError
from truing.core.files import MANIFEST, differences, read_manifest

UNSEALED = ("README.md",)  # may be edited
# Folders that this process has read, as they were.
_sound: set[tuple[str, tuple[tuple[int, ...], ...]]] = set()


def damage_of(folder: Path) -> Iterator[str]:
    """Yield in words each difference between a folder and its manifest; a missing manifest is one too.

    Every byte is read: a lost bit on a disk changes no file time.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        yield f"{MANIFEST} is missing or unreadable"
        return
    entries = {name: entry for name, entry in manifest["files"].items() if name not in UNSEALED}
    yield from differences(folder, entries, hashes=True)


def require_whole(folder: Path, hint: str) -> None:
    """Raise StorageError where a folder with a manifest differs from it; read each folder once a process."""
    if not (folder / MANIFEST).is_file():
        return
    as_it_is = (str(folder.resolve()), tuple(_facts(path) for path in sorted(folder.iterdir())))
    if as_it_is in _sound:
        return
    if damage := next(damage_of(folder), ""):
        raise StorageError(f"{folder}: {damage}", hint=hint)
    _sound.add(as_it_is)


def _facts(path: Path) -> tuple[int, ...]:
    stat = path.lstat()
    return (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
