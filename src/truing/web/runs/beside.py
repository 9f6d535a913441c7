"""Texts and numbers beside a run's curves: its samples over time, and evaluations of it, before and after."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from truing.config.evaluation import RESULTS
from truing.config.run_folder import SAMPLES
from truing.core.words import t
from truing.reports.compare.read import INSIDE
from truing.stats.intervals import Interval
from truing.stats.told import interval_text, value_text
from truing.text.shown import language
from truing.web.runs.columns import MetricLog
from truing.web.runs.found import FolderKind, FoundFolder, read_object
from truing.web.runs.summary import short

LONGEST = 20_000  # characters of a response
OF_STEP = 8  # samples of a step
FRONTIER = 60  # points of a frontier
REWARD, KL = "reward", ("kl", "kl/response")


class SampleIndex:
    """The samples of a run by step, read on from where the last reading ended."""

    def __init__(self, path: Path) -> None:
        self.path = path / SAMPLES
        self._offset, self._file = 0, -1
        self._places: dict[int, list[int]] = {}  # step -> offsets of its lines
        self._lock = Lock()  # two pages may ask at once

    def update(self) -> None:
        """Find the lines that were added."""
        with self._lock:
            self._update()

    def _update(self) -> None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return
        if found.st_ino != self._file or found.st_size < self._offset:
            self._file, self._offset, self._places = found.st_ino, 0, {}
        with self.path.open("rb") as file:
            file.seek(self._offset)
            while (line := file.readline()).endswith(b"\n"):
                if (step := _step_of(line)) is not None:
                    self._places.setdefault(step, []).append(self._offset)
                self._offset += len(line)

    @property
    def steps(self) -> list[int]:
        return sorted(self._places)

    def of_step(self, step: int) -> list[dict[str, Any]]:
        """Return the samples of a step for a page: prompt, response, reward; the texts are untrusted."""
        rows = []
        with self.path.open("rb") as file:
            for place in self._places.get(step, ())[:OF_STEP]:
                file.seek(place)
                rows.append(_sample(json.loads(file.readline())))
        return rows


def _step_of(line: bytes) -> int | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    step = row.get("step") if isinstance(row, dict) else None
    return step if isinstance(step, int) else None


def _sample(row: Mapping[str, Any]) -> dict[str, Any]:
    reward = row.get("reward")
    known = isinstance(reward, int | float) and math.isfinite(reward)
    texts = {
        name: short(str(row.get(name) or row.get(other) or ""), LONGEST)
        for name, other in (("prompt", "place"), ("response", "text"))
    }
    languages = {f"{name}_language": language(text) for name, text in texts.items()}
    return {**texts, **languages, "reward": float(f"{reward:.6g}") if known else None}


@dataclass(frozen=True)
class BeforeAfter:
    """One number of an evaluation: of the model, and of the model that it is held against."""

    title: str
    before: str
    after: str
    interval: str
    n: int


@dataclass(frozen=True)
class EvaluationTable:
    """The numbers of an evaluation."""

    name: str
    model: str
    against: str
    rows: Sequence[BeforeAfter]


def evaluations_of(folder: FoundFolder, others: Sequence[FoundFolder]) -> list[EvaluationTable]:
    """Return the evaluations in a run's folder, and those elsewhere of its result."""
    if folder.kind is FolderKind.EVALUATION:
        return [table for table in [_table(folder.path, folder.name)] if table is not None]
    found = [(folder.path / INSIDE, INSIDE)]
    for other in others:
        if other.kind is FolderKind.EVALUATION and other.path != folder.path / INSIDE:
            model = str((read_object(other.path / RESULTS) or {}).get("model", ""))
            if Path(model).name and _is_result(model, folder.path):
                found.append((other.path, other.name))
    return [table for path, name in found if (table := _table(path, name)) is not None]


def _is_result(model: str, run: Path) -> bool:
    """Tell whether a model's source names a run's folder or its result."""
    path = Path(model).absolute()
    return run in (path, path.parent)


def _table(path: Path, name: str) -> EvaluationTable | None:
    results = read_object(path / RESULTS)
    if results is None or not isinstance(results.get("numbers"), dict):
        return None
    rows = [row for one in results["numbers"].values() if (row := _number(one)) is not None]
    return EvaluationTable(
        short(name), short(str(results.get("model", ""))), short(str(results.get("against") or "")), rows
    )


def _number(one: Any) -> BeforeAfter | None:
    if not isinstance(one, dict) or (after := _interval(one.get("model"))) is None:
        return None
    unit = str(one.get("unit")) if one.get("unit") in ("%", "x", "nats") else ""
    before = _interval(one.get("against"))
    return BeforeAfter(
        short(t(str(one.get("title", "")))),
        "—" if before is None else value_text(before.estimate, unit),
        value_text(after.estimate, unit),
        interval_text(after, unit),
        after.n,
    )


def _interval(side: Any) -> Interval | None:
    if not isinstance(side, dict) or not isinstance(side.get("value"), int | float):
        return None
    low, high = (side.get(name) for name in ("low", "high"))
    low = low if isinstance(low, int | float) else -math.inf
    high = high if isinstance(high, int | float) else math.inf
    count = side.get("n")
    if not low <= high or not math.isfinite(side["value"]) or not isinstance(count, int) or count < 1:
        return None
    return Interval(side["value"], low, high, count)


def frontier(log: MetricLog) -> list[tuple[int, float, float]]:
    """Return the way of an online run as points of (step, KL, reward): means over stretches of steps."""
    name = next((name for name in KL if len(log.column(name).steps)), "")
    if not name:
        return []
    kl, reward = log.column(name), log.column(REWARD)
    steps, here, there = np.intersect1d(kl.steps, reward.steps, return_indices=True)
    across, up = kl.values[here], reward.values[there]
    known = np.isfinite(across) & np.isfinite(up)
    parts = [part for part in np.array_split(np.flatnonzero(known), FRONTIER) if len(part)]
    return [
        (int(steps[part[-1]]), float(f"{across[part].mean():.6g}"), float(f"{up[part].mean():.6g}"))
        for part in parts
    ]
