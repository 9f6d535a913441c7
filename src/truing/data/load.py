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
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, Literal, TypeVar

from truing.config.names import VOTES
from truing.core.doing import Tick
from truing.core.errors import DataError, StorageError
from truing.core.files import cannot_write, sha256_file, write_parts
from truing.core.messages import Sentence, joined, message
from truing.core.records import Record
from truing.core.workers import mapped, useful_workers
from truing.data.chunks import Chunk, ReadChunk, cut, first_rows, read_chunk
from truing.data.detect import detect
from truing.data.formats import Format, find_format
from truing.data.kinds import parts_of
from truing.data.read import EMPTY_HINT, NO_FILES, check_file, raw_rows, settle
from truing.data.rows import RawRow
from truing.data.unranked import find_with_unranked

MOST_BAD = 0.01  # share of bad rows above which loading stops
MOST_TOLD = 1000  # problems of a source that are put into words; its quarantine has all of them
FEW = 4 << 20  # bytes of bad rows that are held in memory
_ASIDE = re.compile(r"(^|[./\\])quarantine(\.reasons)?\.jsonl$")

SMALLER = (".gz", ".zst", ".parquet", ".arrow", ".feather")  # files with fewer bytes than their rows
MANY = 4 << 20  # bytes of rows that are worth several processes
PACKED = 5  # bytes of rows for each of their bytes, by a guess
T = TypeVar("T")

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
    problems: list[Sentence]  # "file:line: code: message", at most MOST_TOLD of each source


@dataclass
class _Source:
    """One source while it is being read."""

    path: str
    index: int  # among all sources
    name: str  # the start of its places
    kept: int = 0
    set_aside: Counter[str] = field(default_factory=Counter)
    problems: list[Sentence] = field(default_factory=list)
    unread: dict[str, None] = field(default_factory=dict)
    digest: Any = field(default_factory=hashlib.sha256)  # of the records of a data set of the hub

    @property
    def read(self) -> int:
        return self.kept + self.set_aside.total()

    def add(self, chunk: ReadChunk[Any]) -> None:
        self.kept += chunk.kept
        self.set_aside += chunk.set_aside
        self.problems += chunk.problems[: MOST_TOLD - len(self.problems)]
        self.unread |= dict.fromkeys(chunk.unread)
        self.digest.update(chunk.spoken)


class _Quarantine:
    """The bad rows of one loading and the line of reasons for each, in memory while they are few.

    `targets` are the files that `write` replaces, each with the file of reasons beside it.
    """

    def __init__(self, targets: Sequence[Path]) -> None:
        self._targets = targets
        for folder in (path.parent for path in targets):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StorageError(f"{folder} cannot be made: {error.strerror}") from error
        beside = str(targets[0].parent) if targets else None
        made = [SpooledTemporaryFile(FEW, dir=beside) for _ in range(2)]  # noqa: SIM115 - closed by `write`
        self._rows, self._reasons = made

    def add(self, bad: Iterable[tuple[bytes, bytes]]) -> None:
        if not self._targets:
            return
        try:
            for row, reason in bad:
                self._rows.write(row)
                self._reasons.write(reason)
        except OSError as error:
            raise cannot_write(self._targets[0], 0, error) from error

    def write(self) -> None:
        """Write the files; without a bad row remove them. No row can be added afterwards."""
        for path in self._targets:
            for file, lines in ((path, self._rows), (reasons_of(path), self._reasons)):
                if lines.tell():
                    write_parts(file, _content(lines))
                else:
                    file.unlink(missing_ok=True)
        self._rows.close()
        self._reasons.close()


def _content(file: SpooledTemporaryFile[bytes]) -> Iterator[bytes]:
    """Yield all that was written to a file."""
    file.seek(0)
    yield from iter(partial(file.read, 1 << 20), b"")


def reasons_of(quarantine: Path) -> Path:
    """Return the file of reasons beside a quarantine file."""
    return quarantine.with_suffix(".reasons.jsonl")


def load_records(
    paths: str | Path | Iterable[str | Path],
    *,
    format: str | None = None,
    bad_rows: BadRows = "stop",
    quarantine: Path | None = None,
    unranked: bool = False,
) -> Loaded:
    """Read files, glob patterns and `hub:organisation/name[:split]` into records.

    `format` names the format of all sources; without it each is detected. A source in which more than one row
    in a hundred is bad raises `DataError`, unless `bad_rows` is "skip"; one without a single good row always
    does. The file at `quarantine` is replaced, whether loading succeeds or not; without a bad row there is
    none. With `unranked` responses may come in no order, for whoever lets people vote on them.
    """
    records: list[Record] = []
    how = {"format": format, "bad_rows": bad_rows, "quarantine": quarantine, "unranked": unranked}
    sources, problems = work_through(paths, lambda some: some, records.extend, **how)
    return Loaded(records, sources, problems)


def work_through(
    paths: str | Path | Iterable[str | Path],
    work: Callable[[list[Record]], T],
    take: Callable[[T], object],
    *,
    format: str | None = None,
    bad_rows: BadRows = "stop",
    quarantine: Path | None = None,
    copy: Path | None = None,
    workers: int = 1,
    tick: Tick = lambda done: None,
    hash_of: Callable[[Path], str] = sha256_file,
    unranked: bool = False,
) -> tuple[list[SourceReport], list[Sentence]]:
    """Read files as `load_records` does, and hold only a few records at a time.

    `work` gets the records of some rows, in one of several processes where `workers` is above 1; `take` gets
    what it returned, in the order of the rows. `copy` is a second quarantine file. `tick` is called with the
    bytes of rows read so far; `hash_of` hashes a file. Returns the account of each source, and the first
    MOST_TOLD problems of each.
    """
    account = _Account([], [])
    aside = _Quarantine([path for path in (quarantine, copy) if path])
    how = {"format": format, "bad_rows": bad_rows, "quarantine": quarantine, "unranked": unranked}
    try:
        for made in _made(paths, work, account, aside, workers=workers, tick=tick, hash_of=hash_of, **how):
            take(made)
    finally:
        aside.write()
    return account.sources, account.problems


def each_record(paths: Iterable[str], *, format: str | None = None) -> Iterator[Record]:
    """Yield the records of files one after another; bad rows are left out, and nothing counts them.

    For files that `work_through` has read before, with an account of every row.
    """
    how = {"format": format, "bad_rows": "skip", "hash_of": lambda path: ""}
    for records in _made(paths, lambda some: some, _Account([], []), _Quarantine(()), **how):
        yield from records


@dataclass(frozen=True)
class _Account:
    """The accounts of all sources that were read to their ends."""

    sources: list[SourceReport]
    problems: list[Sentence]  # "file:line: code: message"


def _made(
    paths: str | Path | Iterable[str | Path],
    work: Callable[[list[Record]], T],
    account: _Account,
    aside: _Quarantine,
    *,
    format: str | None,
    bad_rows: BadRows,
    hash_of: Callable[[Path], str],
    quarantine: Path | None = None,
    workers: int = 1,
    tick: Tick = lambda done: None,
    unranked: bool = False,
) -> Iterator[T]:
    """Yield what `work` makes of some rows at a time; see `work_through`."""
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    chosen, done = (find_with_unranked if unranked else find_format)(format) if format else None, 0
    files = list(expanded(given))
    for index, (path, name) in enumerate(zip(files, names_of(files), strict=True)):
        source = _Source(path, index, name)
        rows = raw_rows(path, name)
        sample = list(map(settle, first_rows(rows)))
        if not sample:
            raise DataError(message("{path} holds no rows", path=path), hint=EMPTY_HINT)
        used = chosen or _detected(source, sample, unranked)
        chunks = _chunks(source, sample, rows, used)
        for chunk in mapped(partial(read_chunk, work), chunks, workers=workers):
            source.add(chunk)
            aside.add(chunk.bad)
            yield chunk.made
            tick(done := done + chunk.size)
        if used is None:
            raise _too_many_bad(source, None)
        if not source.kept or (bad_rows == "stop" and source.set_aside.total() > MOST_BAD * source.read):
            raise _too_many_bad(source, quarantine)
        account.sources.append(_report(source, used, hash_of))
        account.problems.extend(source.problems)


def read_through(
    paths: Sequence[str], *, format: str | None, bad_rows: BadRows, quarantine: Path | None, tick: Tick
) -> tuple[list[SourceReport], list[Sentence]]:
    """Read every row and keep none, many rows in several processes; return what `work_through` returns."""
    workers = useful_workers() if bytes_of(paths) > MANY else 1
    how = {"format": format, "bad_rows": bad_rows, "quarantine": quarantine, "workers": workers}
    return work_through(paths, len, lambda kept: None, tick=tick, **how)


def bytes_of(paths: Iterable[str | Path]) -> int:
    """Count the bytes of rows in files, those of a packed file by a guess; what is no file has none."""
    total = 0
    for path in expanded(paths):
        file = Path(path)
        if not path.startswith(NO_FILES) and file.is_file():
            total += file.stat().st_size * (PACKED if file.suffix.lower() in SMALLER else 1)
    return total


def require_files(paths: Iterable[str | Path]) -> None:
    """Raise `DataError` for an absent or empty file, a pattern without a match, or votes without rows."""
    for path in expanded(paths):
        if path.startswith(VOTES):
            from truing.data.votes import votes_file  # brings the database along

            votes_file(path)
        elif not path.startswith(NO_FILES):
            check_file(Path(path))


def _detected(source: _Source, sample: Sequence[RawRow], unranked: bool) -> Format | None:
    """Detect the format of a source by its first rows, which are settled; None where all are damaged."""
    try:
        good = [row.value for row in sample if row.value is not None]
        return detect(good, unranked=unranked) if good else None
    except DataError as error:
        said = message("{path}: {what}", path=source.path, what=error.message)
        raise DataError(said, hint=error.hint) from error


def _chunks(
    source: _Source, sample: list[RawRow], rows: Iterator[RawRow], format: Format | None
) -> Iterator[Chunk]:
    """Yield all rows of a source: those of the sample, which are settled, and the rest."""
    name, spoken = format and format.name, source.path.startswith(NO_FILES)

    def chunk(settled: bool) -> Callable[[list[RawRow], int], Chunk]:
        return lambda some, first: Chunk(some, name, source.index, first, settled, spoken)

    yield from cut(sample, chunk(True), 1)
    yield from cut(rows, chunk(False), 1 + len(sample))


def names_of(paths: Sequence[str]) -> list[str]:
    """Name each file for places in it: by its name, or its path where another file has that name."""
    names = [path if path.startswith(NO_FILES) else Path(path).name for path in paths]
    return [path if names.count(name) > 1 else name for path, name in zip(paths, names, strict=True)]


def _report(source: _Source, used: Format, hash_of: Callable[[Path], str]) -> SourceReport:
    # A data set of the hub has no file to hash, so its records are hashed.
    no_file = source.path.startswith(NO_FILES)
    return SourceReport(
        path=source.path,
        format=used.name,
        title=used.title,
        read=source.read,
        kept=source.kept,
        set_aside=source.set_aside,
        sha256=source.digest.hexdigest() if no_file else hash_of(Path(source.path)),
        unread=tuple(source.unread),
    )


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


def expanded(paths: Iterable[str | Path]) -> Iterator[str]:
    """Replace glob patterns among paths by the files they match, sorted, each file once.

    A folder of `part-…` files, as Spark writes them, stands for these files. A pattern skips the quarantine
    files of an earlier loading.
    """
    seen: set[str] = set()
    for given in paths:
        path = str(given)
        names = [path]
        if not path.startswith(NO_FILES) and glob.has_magic(path) and not Path(path).exists():
            names = sorted(glob.glob(path, recursive=True))  # noqa: PTH207
            names = [name for name in names if Path(name).is_file() and not _ASIDE.search(name)]
            if not names:
                raise DataError(
                    message("no file matches {path}", path=path),
                    hint=message("quote the pattern and check the folder"),
                )
        for name in chain.from_iterable(map(_in_parts, names)):
            file = name if name.startswith(NO_FILES) else str(Path(name).resolve())
            if file not in seen:
                seen.add(file)
                yield name


def _in_parts(path: str) -> list[str]:
    """List the files of a folder that Spark wrote; return any other path as it is."""
    folder = Path(path)
    parts = parts_of(folder) if not path.startswith(NO_FILES) and folder.is_dir() else []
    return [str(part) for part in parts] or [path]
