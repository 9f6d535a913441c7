"""Files that are whole or absent: atomic writes, JSON lines that survive a kill, content hashes."""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from truing.core.errors import StorageError

TEMPORARY = ".tmp-"  # in the name of every file that is being written aside


def write_atomic(path: Path, data: bytes | str) -> None:
    """Makes `path` hold exactly `data`, or leaves what it held and raises `StorageError`.

    The bytes are on disk when this returns. Text is written as UTF-8.
    """
    content = data.encode() if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, len(content), error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Puts the names in a folder on disk: a rename outlives a power cut only after this."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
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
    """Adds one line. A torn last line, left by a killed writer, is cut off first.

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
    """Where the last whole line of a file ends."""
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
    rows = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise StorageError(f"{path}:{number} is not a line of JSON: {error}") from error
    return rows


def require_free_space(path: Path, needed_bytes: int) -> None:
    """Raises `StorageError` unless the disk that holds, or will hold, `path` has room for `needed_bytes`."""
    free = free_bytes(path)
    if free < needed_bytes:
        space = f"{needed_bytes} bytes ({human(needed_bytes)}), but {free} ({human(free)}) are free"
        raise StorageError(f"{path}: needs {space}", hint="free some space, or choose another output")


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


def cannot_write(path: Path, needed_bytes: int, error: OSError) -> StorageError:
    """What to raise when writing `needed_bytes` to `path` failed with `error`."""
    space = f"{needed_bytes} bytes are needed, {free_bytes(path)} are free"
    return StorageError(
        f"{path} cannot be written: {error.strerror}; {space}",
        hint="the file keeps what it held; once it can be written, the same command goes on",
    )
