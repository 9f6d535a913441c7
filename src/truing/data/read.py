"""Files into raw rows: JSON, JSONL, CSV, Parquet, each also inside .gz or .zst, and hub data sets.

`read_rows` yields one `RawRow` per row and never raises for a damaged row, only for a file that cannot
be read at all. To add a kind of file, write a function `(name, file) -> Iterator[RawRow]` and give it
a line in `READERS`.

    pairs.json      an array, an object with one list inside, or (a common habit) JSONL
    pairs.jsonl     one object a line; blank lines count for line numbers and are otherwise skipped
    pairs.csv       a header after optional lines of `# comment`; `.tsv` for tabs
    pairs.parquet   needs pyarrow; the line is the row's number
"""

import difflib
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from truing.core.encodings import gb18030_remedy, is_gb18030
from truing.core.errors import DataError
from truing.core.messages import Message, message
from truing.data.read_csv import read_csv, read_tsv
from truing.data.read_json import read_json, read_jsonl
from truing.data.rows import RawRow, raw_row

HUB = "hub:"
_HEAD = 1 << 16  # the bytes of a file that tell its kind and its encoding
INSTALL = "pip install pyarrow zstandard"
EMPTY_HINT = message("write it again, or take it out of the list of data files")
AGAIN = message("copy or download it again")


def read_rows(path: str | Path, name: str | None = None) -> Iterator[RawRow]:
    """Yield every row of a file, damaged ones with their error; places begin with `name`, or its own.

    Raises `DataError` if the file is missing, empty or no data.
    """
    if str(path).startswith(HUB):
        yield from _read_hub(str(path))
        return
    path = Path(path)
    check_file(path)
    try:
        with _open(path) as file:
            yield from READERS[_suffix(path, file)](name or path.name, file)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            message("{path} cannot be read to its end: {error}", path=path, error=error), hint=AGAIN
        ) from error


def check_file(path: Path) -> None:
    """Raises `DataError` for a folder, a file that is not there, or one without a byte."""
    if path.is_dir():
        raise DataError(
            message("{path} is a folder", path=path),
            hint=message("name its files, for example '{path}/*.jsonl'", path=path),
        )
    if not path.is_file():
        raise DataError(message("{path} does not exist", path=path), hint=_nearest(path))
    if path.stat().st_size == 0:
        raise DataError(message("{path} is empty (0 bytes)", path=path), hint=EMPTY_HINT)


def _nearest(path: Path) -> Message:
    folder = path.parent
    if not folder.is_dir():
        return message("the folder {folder} does not exist either", folder=folder)
    names = sorted(item.name for item in folder.iterdir() if item.is_file())
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.6)
    if near:
        return message("did you mean {path}?", path=folder / near[0])
    if not names:
        return message("{folder} holds no files", folder=folder)
    return message("{folder} holds {names}", folder=folder, names=", ".join(names[:5]))


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        head = file.read(4)
    if head[:2] == b"\x1f\x8b":
        return cast(BinaryIO, gzip.open(path))
    if head == b"\x28\xb5\x2f\xfd":
        return _open_zstd(path)
    return path.open("rb")


def _open_zstd(path: Path) -> BinaryIO:
    try:
        import zstandard
    except ImportError as error:
        raise DataError(message("{path} needs the zstandard library", path=path), hint=INSTALL) from error
    with path.open("rb") as file:
        try:
            reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
            data = reader.read()
        except zstandard.ZstdError as error:
            raise DataError(
                message("{path} is damaged: {error}", path=path, error=error), hint=AGAIN
            ) from error
    return io.BytesIO(data)


def _suffix(path: Path, file: BinaryIO) -> str:
    """The key of `READERS` for a file, by its name, else by its first bytes."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in (".gz", ".zst"):
        suffixes.pop()
    head = file.read(_HEAD)
    file.seek(0)
    if not head.strip():
        raise DataError(message("{path} holds no rows", path=path), hint=EMPTY_HINT)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(message("{path} is UTF-16 text", path=path), hint=message("save it as UTF-8"))
    if head[:4] == b"PAR1":
        return ".parquet"
    if is_gb18030(head):
        raise DataError(message("{path} is GB18030 text, and rows are UTF-8", path=path), hint=_to_utf8(path))
    suffix = suffixes[-1] if suffixes else ""
    if re.match(rb"(\xef\xbb\xbf)?\s*\[\s*\{", head) and suffix not in (".csv", ".tsv"):
        return ".json"
    if suffix in READERS:
        return suffix
    if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
        return ".json"
    said = message("{path} is none of the kinds truing reads: {kinds}", path=path, kinds=", ".join(READERS))
    raise DataError(said, hint=message("rename or convert it"))


def _to_utf8(path: Path) -> Message:
    packed = path.suffix.lower() in (".gz", ".zst")
    remedy = gb18030_remedy(path.with_suffix("") if packed else path)
    return message("unpack it, then: {remedy}", remedy=remedy) if packed else remedy


def _read_parquet(name: str, file: BinaryIO) -> Iterator[RawRow]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(message("{path} needs the pyarrow library", path=name), hint=INSTALL) from error
    try:
        batches = pyarrow.parquet.ParquetFile(io.BytesIO(file.read())).iter_batches()
        yield from _decoded_rows(name, (row for batch in batches for row in batch.to_pylist()))
    except pyarrow.ArrowException as error:
        raise DataError(
            message("{path} is damaged: {error}", path=name, error=str(error)[:200]), hint=AGAIN
        ) from error


def _read_hub(source: str) -> Iterator[RawRow]:
    name, _, split = source.removeprefix(HUB).partition(":")
    try:
        import datasets  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise DataError(
            message("{source} needs the datasets library", source=source),
            hint="pip install datasets",
        ) from error
    try:
        rows = datasets.load_dataset(name, split=split or "train")
    except (OSError, ValueError) as error:
        raise DataError(
            message("{source} cannot be loaded: {reason}", source=source, reason=str(error)[:200]),
            hint=message("write it as hub:organisation/name:split"),
        ) from error
    yield from _decoded_rows(name, rows)


def _decoded_rows(name: str, values: Iterable[dict]) -> Iterator[RawRow]:
    """Rows of a binary source, as the JSON lines they would have been; the line is the row's number."""
    for number, value in enumerate(values, start=1):
        yield raw_row(name, number, json.dumps(value, ensure_ascii=False, default=str).encode())


READERS: dict[str, Callable[[str, BinaryIO], Iterator[RawRow]]] = {
    ".json": read_json,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".parquet": _read_parquet,
}
