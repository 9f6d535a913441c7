"""Read files as raw rows: JSON, JSONL, CSV, Parquet, each also inside .gz or .zst, hub data sets, votes.

`read_rows` yields one `RawRow` per row and never raises for a damaged row, only for a file that cannot
be read at all. To add a kind of file, write a function `(name, file) -> Iterator[RawRow]` and give it
a line in `READERS`.

    pairs.json      an array, an object with one list inside, or (a common habit) JSONL
    pairs.jsonl     one object a line; blank lines count for line numbers and are otherwise skipped
    pairs.csv       a header after optional lines of `# comment`; `.tsv` for tabs
    pairs.parquet   needs pyarrow, as .arrow and .feather do; the line is the row's number
    part-00000-….json, .csv, .parquet   parts that Spark wrote; their folder may be named instead
"""

import difflib
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

from truing.config.names import VOTES
from truing.core.encodings import gb18030_remedy, is_gb18030
from truing.core.errors import DataError
from truing.core.messages import Sentence, message
from truing.data.frames import settled
from truing.data.kinds import refuse_folder, refuse_others
from truing.data.packed import AGAIN, open_zstd
from truing.data.read_columns import decoded_rows, read_arrow, read_parquet
from truing.data.read_csv import read_csv, read_tsv
from truing.data.read_json import read_json, read_jsonl
from truing.data.rows import RawRow, RowError

HUB = "hub:"
NO_FILES = (HUB, VOTES)
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_HEAD = 1 << 16  # the bytes of a file that tell its kind and its encoding
EMPTY_HINT = message("write it again, or take it out of the list of data files")


def read_rows(path: str | Path, name: str | None = None) -> Iterator[RawRow]:
    """Yield every row of a file, a damaged row with its error; places begin with `name` or the file's name.

    Raises `DataError` if the file is missing, empty or not data.
    """
    yield from map(settle, raw_rows(path, name))


def raw_rows(path: str | Path, name: str | None = None) -> Iterator[RawRow]:
    """Yield the rows that `read_rows` yields before `settle` restores their values."""
    if str(path).startswith(HUB):
        yield from _read_hub(str(path))
        return
    if str(path).startswith(VOTES):
        from truing.data.votes import read_votes  # brings the database along

        yield from read_votes(str(path), name)
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


def settle(row: RawRow) -> RawRow:
    """Return the row with its values as they were meant."""
    if row.value is None:
        return row
    try:
        value = settled(row.value)
        return row if value is row.value else replace(row, value=value)
    except RowError as error:
        return replace(row, value=None, error=error)


def check_file(path: Path) -> None:
    """Raise `DataError` for a folder, a missing file or an empty file."""
    if path.is_dir():
        refuse_folder(path)
    if not path.is_file():
        if path.exists():
            raise DataError(message("{path} is no file but a pipe or a device", path=path))
        raise DataError(message("{path} does not exist", path=path), hint=_nearest(path))
    if path.stat().st_size == 0:
        raise DataError(message("{path} is empty (0 bytes)", path=path), hint=EMPTY_HINT)


def _nearest(path: Path) -> Sentence:
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
    if head[:2] in UTF_16:
        return _open_utf16(path)
    if head == b"\x28\xb5\x2f\xfd":
        return open_zstd(path)
    return path.open("rb")


def _open_utf16(path: Path) -> BinaryIO:
    """Open Excel's Unicode text as UTF-8; its byte order mark tells the order of its bytes."""
    try:
        return io.BytesIO(path.read_bytes().decode("utf-16").encode())
    except UnicodeDecodeError as error:
        raise DataError(
            message("{path} begins as UTF-16 text and is damaged: {error}", path=path, error=error),
            hint=AGAIN,
        ) from error


def _suffix(path: Path, file: BinaryIO) -> str:
    """Find the key of `READERS` for a file, by its name, else by its first bytes."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in (".gz", ".zst"):
        suffixes.pop()
    head = file.read(_HEAD)
    file.seek(0)
    if not head.strip():
        raise DataError(message("{path} holds no rows", path=path), hint=EMPTY_HINT)
    if head[:4] == b"PAR1":
        return ".parquet"
    if head[:6] == b"ARROW1":
        return ".arrow"
    refuse_others(path, head)
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


def _to_utf8(path: Path) -> Sentence:
    packed = path.suffix.lower() in (".gz", ".zst")
    remedy = gb18030_remedy(path.with_suffix("") if packed else path)
    return message("unpack it, then: {remedy}", remedy=remedy) if packed else remedy


def _read_hub(source: str) -> Iterator[RawRow]:
    name, _, split = source.removeprefix(HUB).partition(":")
    hint = message("write it as hub:organisation/name:split")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
        raise DataError(message("{source} names no data set", source=source), hint=hint)
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
            hint=hint,
        ) from error
    yield from decoded_rows(name, iter(rows))  # pyright: ignore[reportArgumentType]


READERS: dict[str, Callable[[str, BinaryIO], Iterator[RawRow]]] = {
    ".json": read_json,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".feather": read_arrow,
}
