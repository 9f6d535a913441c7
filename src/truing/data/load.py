"""Load files as records: find them, detect their format, parse every row, count and set aside bad rows.

No row is lost without a count: for every source, kept + set aside = read. Bad rows go byte for byte into
the quarantine file; `quarantine.reasons.jsonl` beside it gives the place, the length and the mistake of each
bad row.
"""

import glob
import hashlib
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from truing.core.errors import DataError, StorageError
from truing.core.files import json_line, sha256_file, write_atomic
from truing.core.messages import Sentence, joined, message
from truing.core.records import Record
from truing.data.detect import detect
from truing.data.formats import Format, find_format
from truing.data.kinds import parts_of
from truing.data.read import EMPTY_HINT, HUB, check_file, read_rows
from truing.data.rows import RawRow, RowError

SAMPLE = 1000  # rows looked at to detect a format
MOST_BAD = 0.01  # share of bad rows above which loading stops
_ASIDE = re.compile(r"(^|[./\\])quarantine(\.reasons)?\.jsonl$")

BadRows = Literal["stop", "skip"]


@dataclass(frozen=True)
class SourceReport:
    """The account of one file's rows."""

    path: str
    format: str
    title: str
    read: int
    kept: int
    set_aside: Counter[str]  # by code
    sha256: str
    unread: tuple[str, ...] = ()  # columns of kept rows that nothing was read from

    def __post_init__(self) -> None:
        assert self.kept + self.set_aside.total() == self.read

    def describe(self) -> Sentence:
        """Describe the file in one line: `dpo_zh_demo.json: 240/240 rows, ShareGPT preference`."""
        title = message(self.title)
        if self.unread:
            columns = ", ".join(self.unread)
            title = message("{title}; not read: {columns}", title=title, columns=columns)
        said = {"name": Path(self.path).name, "kept": self.kept, "read": self.read, "title": title}
        if not self.set_aside:
            return message("{name}: {kept}/{read} rows, {title}", **said)
        reasons = ", ".join(f"{count} {code}" for code, count in self.set_aside.most_common())
        said |= {"aside": self.set_aside.total(), "reasons": reasons}
        return message("{name}: {kept}/{read} rows, {title}; {aside} set aside: {reasons}", **said)


@dataclass(frozen=True)
class Loaded:
    """All records, in the order of the files and their rows, and an account of the rest."""

    records: list[Record]
    sources: list[SourceReport]
    problems: list[Sentence]  # "file:line: code: message"


@dataclass
class _Source:
    """One source while it is being read."""

    path: str
    index: int  # among all sources
    name: str  # the start of its places
    kept: list[Record] = field(default_factory=list)
    set_aside: Counter[str] = field(default_factory=Counter)
    problems: list[Sentence] = field(default_factory=list)

    @property
    def read(self) -> int:
        return len(self.kept) + self.set_aside.total()


class _Quarantine:
    """The bad rows of one loading, and the line of reasons for each."""

    def __init__(self) -> None:
        self._rows: list[bytes] = []
        self._reasons: list[bytes] = []

    def add(self, row: RawRow, error: RowError) -> None:
        reason = {"place": row.place, "code": error.code, "message": error.message, "bytes": len(row.raw)}
        self._rows.append(row.raw + b"\n")
        self._reasons.append(json_line(reason))

    def write(self, path: Path) -> None:
        """Replace `path` and the file of reasons beside it; without a bad row remove both."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{path.parent} cannot be made: {error.strerror}") from error
        files = {path: self._rows, path.with_suffix(".reasons.jsonl"): self._reasons}
        if not self._rows:
            for file in files:
                file.unlink(missing_ok=True)
            return
        for file, lines in files.items():
            write_atomic(file, b"".join(lines))


def load_records(
    paths: str | Path | Iterable[str | Path],
    *,
    format: str | None = None,
    bad_rows: BadRows = "stop",
    quarantine: Path | None = None,
) -> Loaded:
    """Read files, glob patterns and `hub:organisation/name[:split]` into records.

    `format` names the format of all sources; without it each is detected. A source in which more than
    one row in a hundred is bad raises `DataError`, unless `bad_rows` is "skip"; one without a single
    good row always does. The file at
    `quarantine` is replaced, whether loading succeeds or not; without a bad row there is none.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    chosen = find_format(format) if format else None
    records: list[Record] = []
    sources: list[SourceReport] = []
    problems: list[Sentence] = []
    aside = _Quarantine()
    try:
        files = list(_expand(given))
        for index, (path, name) in enumerate(zip(files, _names(files), strict=True)):
            source = _Source(path, index, name)
            used = _load(source, chosen, aside)
            if not source.kept or (bad_rows == "stop" and source.set_aside.total() > MOST_BAD * source.read):
                raise _too_many_bad(source, quarantine)
            sources.append(_report(source, used))
            records += source.kept
            problems += source.problems
    finally:
        if quarantine is not None:
            aside.write(quarantine)
    return Loaded(records, sources, problems)


def require_files(paths: Iterable[str | Path]) -> None:
    """Raise `DataError` for a file that is absent or empty, or a pattern that matches none."""
    for path in _expand(paths):
        if not path.startswith(HUB):
            check_file(Path(path))


def _load(source: _Source, format: Format | None, aside: _Quarantine) -> Format:
    """Fill `source` from its path and return the format its rows are in."""
    rows = read_rows(source.path, source.name)
    sample = list(islice(rows, SAMPLE))
    if not sample:
        raise DataError(message("{path} holds no rows", path=source.path), hint=EMPTY_HINT)
    good = [row.value for row in sample if row.value is not None]
    if format is None and good:
        try:
            format = detect(good)
        except DataError as error:
            said = message("{path}: {what}", path=source.path, what=error.message)
            raise DataError(said, hint=error.hint) from error
    for number, row in enumerate(chain(sample, rows), start=1):
        try:
            if row.value is None or format is None:
                raise row.error or RowError(
                    "no-format", message("the first {n} rows are all damaged", n=SAMPLE)
                )
            record = format.read(row.value)
            source.kept.append(replace(record, place=row.place, source=source.index, number=number))
        except RowError as error:
            source.set_aside[error.code] += 1
            said = "{place}: {code}: {what}"
            source.problems.append(message(said, place=row.place, code=error.code, what=error.message))
            aside.add(row, error)
    if format is None:
        raise _too_many_bad(source, None)
    return format


def _names(paths: Sequence[str]) -> list[str]:
    """Name each file for places in it: by its name, or its path where another file has that name."""
    names = [path if path.startswith(HUB) else Path(path).name for path in paths]
    return [path if names.count(name) > 1 else name for path, name in zip(paths, names, strict=True)]


def _report(source: _Source, used: Format) -> SourceReport:
    return SourceReport(
        path=source.path,
        format=used.name,
        title=used.title,
        read=source.read,
        kept=len(source.kept),
        set_aside=source.set_aside,
        sha256=_sha256(source),
        unread=tuple(dict.fromkeys(key for record in source.kept for key in record.unread)),
    )


def _sha256(source: _Source) -> str:
    """Hash the file's bytes; a data set of the hub has no file, so its records are hashed."""
    if not source.path.startswith(HUB):
        return sha256_file(Path(source.path))
    digest = hashlib.sha256()
    for record in source.kept:
        digest.update(repr(record).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _too_many_bad(source: _Source, quarantine: Path | None) -> DataError:
    counts = {"path": source.path, "read": source.read, "bad": source.set_aside.total()}
    first = joined("\n  ", source.problems[:5])
    where = message("; all of them are in {path}", path=quarantine) if quarantine else message("")
    if 2 * source.set_aside["invalid-utf8"] > source.set_aside.total():
        where = joined(
            "", [where, message("; is it in a code page of Windows? {remedy}", remedy=_to_utf8(source))]
        )
    if not source.kept:
        said = "{path}: none of its {read} rows can be used. The first problems:\n  {first}"
        hint = "mend the file, or name its format with --format (data.format in a recipe){where}"
    else:
        said = "{path}: {bad} of {read} rows are bad, more than 1 %. The first problems:\n  {first}"
        hint = "mend them, or leave them out with --bad-rows skip (data.bad_rows: skip in a recipe){where}"
    return DataError(message(said, **counts, first=first), hint=message(hint, where=where))


def _to_utf8(source: _Source) -> str:
    path = Path(source.path)
    target = shlex.quote(str(path.with_stem(f"{path.stem}-utf8")))
    return f"iconv -f WINDOWS-1252 -t UTF-8 {shlex.quote(str(path))} > {target}"


def _expand(paths: Iterable[str | Path]) -> Iterator[str]:
    """Replace glob patterns among paths by the files they match, sorted, each file once.

    A folder of `part-…` files, as Spark writes them, stands for these files. A pattern skips the quarantine
    files of an earlier loading.
    """
    seen: set[str] = set()
    for given in paths:
        path = str(given)
        names = [path]
        if not path.startswith(HUB) and glob.has_magic(path) and not Path(path).exists():
            names = sorted(glob.glob(path, recursive=True))  # noqa: PTH207
            names = [name for name in names if Path(name).is_file() and not _ASIDE.search(name)]
            if not names:
                raise DataError(
                    message("no file matches {path}", path=path),
                    hint=message("quote the pattern and check the folder"),
                )
        for name in chain.from_iterable(map(_in_parts, names)):
            file = name if name.startswith(HUB) else str(Path(name).resolve())
            if file not in seen:
                seen.add(file)
                yield name


def _in_parts(path: str) -> list[str]:
    """List the files of a folder that Spark wrote; return any other path as it is."""
    folder = Path(path)
    parts = parts_of(folder) if not path.startswith(HUB) and folder.is_dir() else []
    return [str(part) for part in parts] or [path]
