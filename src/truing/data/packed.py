"""Files that are unpacked while they are read: memory follows what is read, not what a file unpacks to.

A few kilobytes may unpack to gigabytes. Lines are read within `LONGEST` bytes, and a packed file that must be
read whole within `WHOLE`.
"""

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from truing.core.errors import DataError
from truing.core.messages import message
from truing.data.rows import MAX_ROW_BYTES

LONGEST = 64 << 20  # bytes of a line; longer ones are no rows, and are not kept for the quarantine
WHOLE = 512 << 20  # bytes
SLICE = 512  # packed bytes at a time, which are at most 16 MB: zstd writes 128 KB in 4 bytes
AGAIN = message("copy or download it again")
INSTALL = "pip install pyarrow zstandard"


def lines_of(name: str, file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file with the line feeds that end them. Raises `DataError` for one too long."""
    number = 0
    while line := file.readline(LONGEST + 1):
        number += 1
        if len(line) > LONGEST:
            said = "{name}:{line}: a line of more than {most:,} bytes; a row has at most {row:,}"
            raise DataError(
                message(said, name=name, line=number, most=LONGEST, row=MAX_ROW_BYTES),
                hint=message("write one row on each line"),
            )
        yield line


def read_whole(name: str, file: BinaryIO) -> bytes:
    """Return the rest of a file. Raises `DataError` for a packed one of more than WHOLE bytes."""
    if not isinstance(file, gzip.GzipFile | ZstdFile):
        return file.read()
    data = file.read(WHOLE + 1)
    if len(data) > WHOLE:
        raise DataError(
            message("{name} unpacks to more than {most:,} bytes, and is read whole", name=name, most=WHOLE),
            hint=message("unpack it, or write it as JSONL, which is read line by line"),
        )
    return data


class ZstdFile(io.BufferedReader):
    """The bytes that a zstd file of one or several frames unpacks to; `open_zstd` makes it."""


def open_zstd(path: Path) -> ZstdFile:
    """Open a zstd file. Raises `DataError` where the library is missing, and at a read of damaged bytes."""
    try:
        import zstandard
    except ImportError as error:
        raise DataError(message("{path} needs the zstandard library", path=path), hint=INSTALL) from error
    return ZstdFile(_Zstd(path, path.open("rb"), zstandard))


class _Zstd(io.RawIOBase):
    def __init__(self, path: Path, file: BinaryIO, library: Any) -> None:
        self._path, self._file, self._library = path, file, library
        self._begin()

    def _begin(self) -> None:
        self._packed, self._unpacked, self._given = b"", b"", 0
        self._frame: Any = None  # the one being read

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._given

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go back to the beginning, the only place there is to go to."""
        if (offset, whence) != (0, io.SEEK_SET):
            raise io.UnsupportedOperation("a packed file is read from its beginning")
        self._file.seek(0)
        self._begin()
        return 0

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        while not self._unpacked:
            packed = self._packed or self._file.read(SLICE)
            if not packed and self._frame is not None:
                raise EOFError("it ends in the middle of a zstd frame")
            if not packed:
                return 0
            self._unpacked = self._unpack(packed)
        some = self._unpacked[: len(buffer)]
        buffer[: len(some)] = some
        self._unpacked = self._unpacked[len(some) :]
        self._given += len(some)
        return len(some)

    def _unpack(self, packed: bytes) -> bytes:
        frame = self._frame or self._library.ZstdDecompressor().decompressobj()
        try:
            found = frame.decompress(packed)
        except self._library.ZstdError as error:
            raise DataError(
                message("{path} is damaged: {error}", path=self._path, error=error), hint=AGAIN
            ) from error
        self._frame, self._packed = (None, frame.unused_data) if frame.eof else (frame, b"")
        return found

    def close(self) -> None:
        self._file.close()
        super().close()
