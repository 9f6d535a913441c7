"""Files and folders that are whole or absent: atomic writes, logs that survive a kill, content hashes.

A folder is written aside, put on disk and renamed once. Its `manifest.json` holds the size and SHA-256 of
every other file, so that a reader can tell whether a disk has changed one since.
"""

import contextlib
import errno
import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from truing.core import locks
from truing.core.errors import StorageError
from truing.core.messages import message
from truing.core.version import __version__

TEMPORARY = ".tmp-"  # in the name of every file that is being written aside
ASIDE = ".aside-"  # in the name of every folder that is; a lock on it tells whether its writer lives
MACHINE = re.sub(r"[^\w.]", "_", platform.node())  # in that name too
STALE = 86400  # seconds without a write, after which a folder of another machine is a leftover
MANIFEST = "manifest.json"

Entries = Mapping[str, Mapping[str, Any]]  # path in the folder -> its "size" and "sha256"


def write_atomic(path: Path, data: bytes | str) -> None:
    """Make `path` hold exactly `data`, or leave its content as it was and raise `StorageError`.

    The bytes are on disk when this returns. Text is written as UTF-8.
    """
    content = data.encode() if isinstance(data, str) else data
    write_parts(path, [content], len(content))


def write_parts(path: Path, parts: Iterable[bytes], needed_bytes: int = 0) -> None:
    """Write a file as `write_atomic` does, from parts that are made while it is written."""
    temporary = path.with_name(f".{path.name}{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise cannot_write(path, needed_bytes, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Put a file's content, or the names in a folder, on disk, so that a rename outlives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_line(row: Mapping[str, Any]) -> bytes:
    """`row` as one line of JSON. Numbers that are not finite are written NaN and Infinity.

    Half a surrogate pair, which UTF-8 cannot hold, becomes the JSON escape it came from.
    """
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def append_jsonl(path: Path, row: Mapping[str, Any]) -> None:
    """Add one line, after cutting off a torn last line that a killed writer left.

    When the disk is full the file keeps its whole lines and `StorageError` is raised.
    """
    line = json_line(row)
    try:
        with path.open("ab+", buffering=0) as file:
            end = _whole_lines(file.fileno())
            file.truncate(end)
            written = file.write(line)
            if written != len(line):
                file.truncate(end)
                raise OSError(None, f"only {written} of {len(line)} bytes were written")
    except OSError as error:
        raise cannot_write(path, len(line), error) from error


def _whole_lines(descriptor: int) -> int:
    """Return the offset in bytes at which the last whole line of a file ends."""
    position = os.fstat(descriptor).st_size
    while position > 0:
        start = max(0, position - 65536)
        block = os.pread(descriptor, position - start, start)
        if (newline := block.rfind(b"\n")) >= 0:
            return start + newline + 1
        position = start
    return 0


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The rows of a log that `append_jsonl` wrote, without a torn last line; none if there is no file."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            hint = "put the file back from a copy, or remove that line: what it said is then lost"
            raise StorageError(f"{path}:{number} is not a line of JSON: {error}", hint=hint) from error
    return rows


def require_free_space(path: Path, needed_bytes: int) -> None:
    """Raise `StorageError` unless the disk that holds, or will hold, `path` has room for `needed_bytes`."""
    free = free_bytes(path)
    if free < needed_bytes:
        said = "{path}: needs {needed} bytes ({needs}), but {free} ({frees}) are free"
        counts = {"needed": needed_bytes, "needs": human(needed_bytes), "free": free, "frees": human(free)}
        raise StorageError(
            message(said, path=path, **counts), hint=message("free some space, or choose another output")
        )


def free_bytes(path: Path) -> int:
    """Bytes an ordinary user can still write where `path` is or will be."""
    existing = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    return shutil.disk_usage(existing).free


def human(count: float) -> str:
    """A number of bytes for people: 512 B, 1.5 GB."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.4g} {unit}"
        count /= 1000
    return f"{count:.4g} GB"


def cannot_write(path: Path, needed_bytes: int, error: Exception) -> StorageError:
    """Make the error for a write to `path` that failed with `error`; `needed_bytes` is 0 where unknown."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    said = (
        "{path} cannot be written: {reason}; {needed} bytes are needed, {free} are free"
        if needed_bytes
        else "{path} cannot be written: {reason}; {free} bytes are free"
    )
    return StorageError(
        message(said, path=path, reason=reason, needed=needed_bytes, free=free_bytes(path)),
        hint=message("the old content is kept; once the path can be written, the same command resumes"),
    )


@contextlib.contextmanager
def disk_errors_explained(path: Path, needed_bytes: int = 0) -> Generator[None]:
    """Raise `cannot_write`'s error where a write in the block fails: in the system, or in a library of Rust.

    tokenizers has no class for it: "File too large (os error 27)" is an Exception and nothing else.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        raise cannot_write(path, needed_bytes, error) from error
    except Exception as error:
        if type(error) is Exception and "(os error " in str(error):
            raise cannot_write(path, needed_bytes, error) from error
        raise


# Folders


@contextlib.contextmanager
def sealed_aside(
    target: Path, seal: Callable[[Entries], str], keep: Callable[[], bool] = lambda: False
) -> Generator[Path]:
    """Yield a new folder beside `target` that becomes `target` when the block ends without an error.

    `seal` makes the text of its manifest. An error in the block removes the folder. The next writer removes
    the folder of a killed process. The old `target` is replaced, unless `keep()` is true when the block ends.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target.parent, target.name)
    folder, lock = _new_folder(target)
    try:
        yield folder
        (folder / MANIFEST).write_text(seal(_entries(folder)), "utf-8")
        _put_on_disk(folder)
        _publish(folder, target, keep)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextlib.contextmanager
def written_aside(target: Path, *, maker: str, keep_intact: bool = False) -> Generator[Path]:
    """Run `sealed_aside` with a manifest that names the folder's maker, for `problems` and `read_manifest`.

    With `keep_intact` a target that is whole when the block ends is kept: another process was faster.
    """

    def seal(entries: Entries) -> str:
        content = {"schema": 1, "made_by": maker, "truing": __version__, "files": entries}
        return json.dumps(content, indent=2) + "\n"

    def keep() -> bool:
        return keep_intact and not problems(target, maker=maker, hashes=True)

    with sealed_aside(target, seal, keep) as folder:
        yield folder


def problems(folder: Path, *, maker: str, hashes: bool = False) -> list[str]:
    """List in words what differs between a folder and its manifest; empty for a whole folder by `maker`.

    Sizes are always compared, contents only when asked: that reads every byte.
    """
    manifest = read_manifest(folder)
    if manifest is None or manifest["made_by"] != maker:
        return [f"{MANIFEST} of {maker} is missing or unreadable"]
    return list(differences(folder, manifest["files"], hashes=hashes))


def differences(folder: Path, entries: Entries, *, hashes: bool) -> Iterator[str]:
    """Yield in words every difference between the files in `folder` and their `entries` in its manifest."""
    for name, entry in entries.items():
        file = folder / name
        if not file.is_file():
            yield f"{name} is missing"
        elif (size := file.stat().st_size) != entry["size"]:
            yield f"{name} has {size} bytes instead of {entry['size']}"
        elif hashes and sha256_file(file) != entry["sha256"]:
            yield f"{name} has another content than was written"


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a folder that `written_aside` made; None if there is none."""
    try:
        manifest: Any = json.loads((folder / MANIFEST).read_bytes())
        whole = "made_by" in manifest and all(
            isinstance(entry["size"], int) and isinstance(entry["sha256"], str)
            for entry in manifest["files"].values()
        )
    except (OSError, ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return None
    return manifest if whole else None


def names_in(folder: Path) -> list[str]:
    """The path within `folder` of every file in it and below, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def _entries(folder: Path) -> Entries:
    return {
        name: {"size": (folder / name).stat().st_size, "sha256": sha256_file(folder / name)}
        for name in names_in(folder)
    }


def _put_on_disk(folder: Path) -> None:
    """Sync every file and folder, and give all files the mode of a new file: safetensors writes 0600."""
    mode = (folder / MANIFEST).stat().st_mode & 0o777
    for path in (*folder.rglob("*"), folder):
        if path.is_file():
            path.chmod(mode)
        _sync(path)


def _publish(folder: Path, target: Path, keep: Callable[[], bool]) -> None:
    """Rename `folder` to `target` and move the old `target` aside; another process may be doing the same."""
    for _ in range(100):
        if keep():
            break
        try:
            folder.rename(target)
            break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        with contextlib.suppress(FileNotFoundError):
            target.rename(_beside(target))
    else:
        raise StorageError(f"{target} keeps changing while it is replaced", hint="is another process at it?")
    _sync(target.parent)
    sweep(target.parent, target.name)


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}{ASIDE}{MACHINE}-{os.getpid()}-{secrets.token_hex(4)}")


def _new_folder(target: Path) -> tuple[Path, int]:
    """An empty folder beside `target`, and a lock on it that the kernel drops when this process ends."""
    while True:
        folder = _beside(target)
        folder.mkdir()
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # a sweeper took it
            continue
        except OSError:
            folder.rmdir()
            raise
        locks.hold(descriptor)
        if folder.exists():  # a sweeper may have taken it between these lines
            return folder, descriptor
        os.close(descriptor)


def sweep(parent: Path, name: str = "") -> None:
    """Remove the folders in `parent` that killed processes wrote aside, for any target or for that of a name.

    Nobody holds a lock on them. On a disk that machines share, one may not see the locks of another: what
    another one has aside stays until nothing has been written in it for a day.
    """
    part = f".{name}{ASIDE}" if name else ASIDE
    for leftover in [path for path in parent.iterdir() if path.name.startswith(".") and part in path.name]:
        try:
            descriptor = os.open(leftover, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            if not _elsewhere(leftover) and locks.try_hold(descriptor):
                shutil.rmtree(leftover, ignore_errors=True)
        finally:
            os.close(descriptor)


def _elsewhere(leftover: Path) -> bool:
    """Tell whether another machine may be writing a folder."""
    if f"{ASIDE}{MACHINE}-" in leftover.name:
        return False
    newest = 0.0
    for path in (leftover, *leftover.rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            newest = max(newest, path.stat().st_mtime)
    return time.time() - newest < STALE
