"""The metrics of a log as columns, each read once: `update` reads what was appended since.

    log = open_log(folder)
    log.update()
    log.column("loss")           steps and values, [n] f64 each; NaN where a value is no number

A log of ours or of another trainer that appends is read on from the last whole line. One that is written anew
(a run that went back to a checkpoint, a `trainer_state.json`) begins another `generation`.
"""

import json
import math
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from truing.config.run_folder import METRICS
from truing.core.errors import TruingError
from truing.training.event_files import PATTERN, read_scalars
from truing.training.foreign_logs import find_log, read_log
from truing.training.metric_names import renames

PIECE = 100_000  # bytes that are parsed at once: larger pieces leave the garbage collector more to look at
MOST_NAMES = 400  # metrics of a log that are kept
MOST_STEP = 1e15
LONGEST = 200  # characters of a metric's name
AGAIN = 5.0  # seconds between two readings of a log that is read whole


@dataclass(frozen=True)
class MetricColumn:
    """A metric over steps, in the order of steps."""

    steps: np.ndarray  # [n] f64
    values: np.ndarray  # [n] f64


class MetricLog:
    """The metrics of one log. Many threads may ask one log at once."""

    def __init__(self, source: "RowSource") -> None:
        self.generation = 0
        self._source = source
        self._parts: dict[str, list[MetricColumn]] = {}
        self._lock = threading.Lock()

    def update(self) -> None:
        """Read what has been written since the last call."""
        with self._lock:
            anew, rows = self._source.read()
            if anew:
                self.generation += 1
                self._parts.clear()
            for piece in rows:
                self._add(piece)

    def _add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        for names, some in groupby(rows, key=tuple):
            columns = dict(zip(names, zip(*(row.values() for row in some), strict=True), strict=True))
            steps = _numbers(columns.pop("step"))
            if steps is None:
                continue
            there = np.abs(steps) < MOST_STEP  # of NaN too
            for name, column in columns.items():
                known = name in self._parts or len(self._parts) < MOST_NAMES
                if known and len(name) <= LONGEST and (values := _numbers(column)) is not None:
                    self._parts.setdefault(name, []).append(MetricColumn(steps[there], values[there]))

    @property
    def names(self) -> list[str]:
        """The metrics that have a finite value, in the order in which they first appear."""
        with self._lock:
            return [name for name in self._parts if np.isfinite(self._whole(name).values).any()]

    @property
    def last_step(self) -> int:
        with self._lock:
            return max((int(p[-1].steps.max(initial=0)) for p in self._parts.values()), default=0)

    def column(self, name: str) -> MetricColumn:
        """Return a metric as it is now; an empty one for a name that the log does not have."""
        with self._lock:
            return self._whole(name)

    def _whole(self, name: str) -> MetricColumn:
        parts = self._parts.get(name)
        if not parts:
            return MetricColumn(np.empty(0), np.empty(0))
        if len(parts) > 1:
            steps = np.concatenate([part.steps for part in parts])
            values = np.concatenate([part.values for part in parts])
            if (np.diff(steps) < 0).any():
                order = np.argsort(steps, kind="stable")
                steps, values = steps[order], values[order]
            parts[:] = [MetricColumn(steps, values)]
        return parts[0]


def _numbers(column: Sequence[Any]) -> np.ndarray | None:
    """Return a column as numbers, NaN for what is none; None where nothing is."""
    try:
        made = np.array(column, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        made = None
    if made is not None and made.ndim == 1:
        return made
    found = [float(v) if isinstance(v, int | float) and abs(v) < 1e300 else math.nan for v in column]
    return None if all(map(math.isnan, found)) else np.array(found)


# The sources of rows


class RowSource(Protocol):
    """A place that rows come from. `read` returns whether they begin anew, and the new ones in pieces."""

    def read(self) -> tuple[bool, Iterable[list[dict[str, Any]]]]: ...


class LineSource:
    """A file of JSON lines that grows at its end, as `metrics.jsonl` does."""

    def __init__(self, path: Path) -> None:
        self.path, self._offset, self._file = path, 0, -1

    def read(self) -> tuple[bool, Iterable[list[dict[str, Any]]]]:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return False, ()
        anew = found.st_ino != self._file or found.st_size < self._offset
        if anew:
            self._file, self._offset = found.st_ino, 0
        return anew, self._pieces() if found.st_size > self._offset else ()

    def _pieces(self) -> Iterable[list[dict[str, Any]]]:
        with self.path.open("rb") as file:
            file.seek(self._offset)
            size = PIECE
            while piece := file.read(size):
                end = piece.rfind(b"\n") + 1
                if not end and len(piece) < size:
                    return  # its writer is not done with the line
                if not end:
                    size *= 2  # the line is longer than a piece
                else:
                    yield [row for row in _objects(piece[:end]) if type(row) is dict and "step" in row]
                    self._offset += end
                file.seek(self._offset)


def _objects(lines: bytes) -> list[Any]:
    """Return the value of each line of JSON; a line that is none is passed over."""
    kept = [line for line in lines.split(b"\n") if line.strip()]
    try:  # one call is several times faster than one for each line
        found = json.loads(b"[" + b",".join(kept) + b"]")
        if len(found) == len(kept):
            return found
    except (ValueError, RecursionError):
        pass
    return [value for line in kept if (value := _value(line)) is not None]


def _value(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


class ForeignSource:
    """The log of another trainer that `truing doctor` reads too; it is read whole when it has changed."""

    def __init__(self, path: Path) -> None:
        self.path, self._seen, self._due = path, (0, 0), 0.0

    def read(self) -> tuple[bool, Iterable[list[dict[str, Any]]]]:
        if time.monotonic() < self._due:
            return False, ()
        self._due = time.monotonic() + AGAIN
        try:
            log = find_log(self.path)
            if log is None or (seen := _stamp(log)) == self._seen:
                return False, ()
            self._seen = seen
            return True, [read_log(log)]
        except (TruingError, OSError):
            return False, ()  # it is being written: another reading finds it whole


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


class EventSource:
    """The event files of TensorBoard in a folder, one row for each step and tag."""

    def __init__(self, path: Path) -> None:
        self.path, self._offsets = path, dict[Path, int]()

    def read(self) -> tuple[bool, Iterable[list[dict[str, Any]]]]:
        rows: list[dict[str, Any]] = []
        for file in sorted(self.path.glob(PATTERN)):
            if file.stat().st_size > self._offsets.get(file, 0):
                scalars, self._offsets[file] = read_scalars(file, self._offsets.get(file, 0))
                ours = renames(tag for _, tag, _ in scalars)
                rows += [
                    {"step": step, name: value}
                    for step, tag, value in scalars
                    if (name := ours.get(tag, tag)) != "step"  # some log it, and the event has it already
                ]
        return False, [sorted(rows, key=lambda row: (tuple(row)[1], row["step"]))] if rows else ()


def open_log(folder: Path) -> MetricLog:
    """Return the log of a folder: our own, another trainer's, or TensorBoard's."""
    if (folder / "config.json").exists() and (folder / METRICS).exists():
        return MetricLog(LineSource(folder / METRICS))
    if any(folder.glob(PATTERN)):
        return MetricLog(EventSource(folder))
    return MetricLog(
        ForeignSource(folder) if not (folder / "status.json").exists() else LineSource(folder / METRICS)
    )
