"""The folders below some roots: of runs, evaluations, made rows, pipelines and logs of other trainers.

Pages name a folder by an id, and an id is known only of a folder that was found: no request carries a path.
Links are not followed, and a folder whose files are links to elsewhere is passed over.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from truing.config.evaluation import ITEMS, RESULTS
from truing.config.holding import LOCK
from truing.config.run_folder import CHECKPOINTS, CONFIG, HEALTH, METRICS, SAMPLES, STATUS
from truing.core.errors import TruingError
from truing.reports.compare.read import short_names
from truing.training.event_files import PATTERN
from truing.training.foreign_logs import STATE, find_log

DEEPEST = 6  # folders below a root
MOST = 20_000  # folders that are looked at
MOST_BYTES = 20_000_000  # of a JSON file that is read
FRESH = 2.0  # seconds for which a look at the disk counts
INNER = {CHECKPOINTS, "model", "merged", "adapter", "tensorboard", "wandb", "swanlog", "mlruns", "given"}
READ = {CONFIG, STATUS, METRICS, SAMPLES, HEALTH, LOCK, RESULTS, ITEMS, STATE, "summary.json", "plan.json"}


class FolderKind(StrEnum):
    """The content of a folder."""

    RUN = "run"
    EVALUATION = "evaluation"
    ROWS = "rows"  # that a verb has made
    PIPELINE = "pipeline"  # runs that build on each other, a quickstart, a hardening
    LOG = "log"  # of another trainer, or of TensorBoard


@dataclass(frozen=True)
class FoundFolder:
    """A folder that the pages show."""

    id: str
    path: Path
    kind: FolderKind
    name: str  # the shortest end of its path that no other has


class Finder:
    """Looks for folders below `roots`, at most every FRESH seconds."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = roots
        self._found: dict[str, FoundFolder] = {}
        self._due = 0.0

    def folders(self) -> list[FoundFolder]:
        """Return the folders as they are now, in the order of their paths."""
        if time.monotonic() >= self._due:
            kinds = dict(_walk(self.roots))
            names = short_names(list(kinds))
            self._found = {
                (key := _id(path)): FoundFolder(key, path, kind, name)
                for (path, kind), name in zip(kinds.items(), names, strict=True)
            }
            self._due = time.monotonic() + FRESH
        return list(self._found.values())

    def by_id(self, key: str) -> FoundFolder | None:
        """Return the folder of an id; None for an id of none."""
        if key not in self._found:
            self.folders()
        return self._found.get(key)


def _id(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]


def _walk(roots: Sequence[Path]) -> Iterator[tuple[Path, FolderKind]]:
    waiting = [(root.resolve(), 0) for root in reversed(roots)]
    seen: set[Path] = set()
    while waiting and len(seen) < MOST:
        path, depth = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        try:
            inside = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError:
            continue  # it is gone, or closed to us
        if any(entry.is_symlink() and _is_read(entry.name) for entry in inside):
            continue
        below = [e for e in inside if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")]
        kind = _kind(path, {entry.name for entry in inside})
        if kind is not None:
            yield path, kind
        ends = kind in (FolderKind.RUN, FolderKind.LOG)
        if depth < DEEPEST:
            kept = [
                e for e in below if e.name not in INNER and not (ends and e.name.startswith("checkpoint-"))
            ]
            waiting += [(path / entry.name, depth + 1) for entry in reversed(kept)]


def _is_read(name: str) -> bool:
    return name in READ or name.endswith(".jsonl") or Path(name).match(PATTERN)


def _kind(path: Path, names: set[str]) -> FolderKind | None:
    recipe = (read_object(path / CONFIG) or {}).get("recipe") if CONFIG in names else None
    if isinstance(recipe, dict):
        return FolderKind.ROWS if "verb" in recipe else FolderKind.RUN if "method" in recipe else None
    for name, keys, kind in _MARKS:
        if name in names and keys <= (read_object(path / name) or {}).keys():
            return kind
    if any(Path(name).match(PATTERN) for name in names):
        return FolderKind.LOG
    likely = STATE in names or any(n.startswith("checkpoint-") or n.endswith(".jsonl") for n in names)
    try:
        return FolderKind.LOG if likely and find_log(path) is not None else None
    except (TruingError, OSError):
        return None


_MARKS = (  # a file, keys of its content, the kind of its folder
    (RESULTS, {"model", "numbers"}, FolderKind.EVALUATION),
    ("summary.json", {"topics", "planned_seconds"}, FolderKind.PIPELINE),
    ("plan.json", {"topics", "minutes"}, FolderKind.PIPELINE),
)


def read_object(path: Path) -> Mapping[str, Any] | None:
    """Return the object in a JSON file; None where there is none, or too large a one."""
    try:
        if path.is_symlink() or path.stat().st_size > MOST_BYTES:
            return None
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
