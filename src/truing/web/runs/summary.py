"""A folder in one line of the list, and a run in the facts at the top of its page.

Only the ends of files are read here: `status.json`, the last line of `metrics.jsonl`, `health.jsonl`.
"""

import json
import math
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from truing.config.evaluation import RESULTS
from truing.config.holding import Holder, holder
from truing.config.run_folder import CONFIG, METRICS, STATUS, STOP, RunState, RunStatus, read_status
from truing.core.errors import TruingError
from truing.core.messages import told
from truing.core.words import spoken, t
from truing.reports.alarms import alarms
from truing.reports.records import Alarm
from truing.reports.run import told_reason
from truing.text.shown import clipped, plain
from truing.training.health import RULES, Finding, read_findings
from truing.web.runs.found import FolderKind, FoundFolder, read_object

TAIL = 2_000_000  # bytes of a log's end in which its last line is looked for
SHOWN = (
    ("loss",),
    ("reward", "rewards/accuracies", "accuracy"),
    ("kl", "rewards/margins", "margin"),
    ("tokens_per_second",),
)
SHORT = 300  # characters of a text in a line
STATES = {
    "running": "running",
    "stopping": "stopping",
    "gone": "interrupted",
    "stopped": "stopped",
    "failed": "failed",
    "done": "done",
    "unknown": "not known",
}
KINDS = {
    FolderKind.RUN: "training",
    FolderKind.EVALUATION: "evaluation",
    FolderKind.ROWS: "rows",
    FolderKind.PIPELINE: "pipeline",
    FolderKind.LOG: "log of another trainer",
}


@dataclass(frozen=True)
class FolderLine:
    """A line of the list. Every text may be a stranger's, and is made plain."""

    id: str
    name: str
    kind: str
    state: str  # a key of STATES
    told: str  # the state in words
    method: str = ""
    policy: str = ""
    step: int | None = None
    metrics: tuple[tuple[str, float], ...] = ()
    alarms: int = 0
    changed: float = 0.0  # seconds since 1970
    reason: str = ""
    stage_of: str = ""  # the id of the pipeline that it is a stage of

    def row(self) -> dict[str, Any]:
        return asdict(self)


def line_of(folder: FoundFolder) -> FolderLine:
    """Return the line of a folder."""
    read = {FolderKind.RUN: _run, FolderKind.EVALUATION: _evaluation, FolderKind.ROWS: _rows}.get(folder.kind)
    base = FolderLine(folder.id, short(folder.name), t(KINDS[folder.kind]), "unknown", "")
    base = replace(base, changed=_changed(folder.path))
    try:
        found = read(folder.path, base) if read else _other(folder.path, base)
    except (TruingError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        found = replace(base, reason=short(t("it cannot be read: {why}", why=error)))
    return replace(found, told=t(STATES[found.state]))


def _run(path: Path, line: FolderLine) -> FolderLine:
    recipe = (read_object(path / CONFIG) or {})["recipe"]
    status, state = state_of(path)
    last = last_row(path / METRICS)
    return replace(
        line,
        state=state,
        method=short(str(recipe["method"])).upper(),
        policy=short(str(recipe.get("policy", ""))),
        step=int(last["step"]) if last else status.step,
        metrics=shown_metrics(last),
        alarms=len(findings_of(path)),
        reason=short(told(told_reason(status), spoken())),
    )


def _evaluation(path: Path, line: FolderLine) -> FolderLine:
    results = read_object(path / RESULTS) or {}
    against = results.get("against")
    numbers = [
        (short(str(one["title"])), float(one["model"]["value"]))
        for one in results["numbers"].values()
        if isinstance(one["model"].get("value"), int | float)
    ]
    said = t("against {model}", model=short(str(against))) if against else ""
    state = "running" if holder(path) is not None else "done"
    return replace(
        line, state=state, method=said, policy=short(str(results["model"])), metrics=tuple(numbers[:3])
    )


def _rows(path: Path, line: FolderLine) -> FolderLine:
    recipe = (read_object(path / CONFIG) or {})["recipe"]
    state = "running" if holder(path) is not None else "done" if (path / RESULTS).exists() else "stopped"
    return replace(line, state=state, method=short(str(recipe["verb"])))


def _other(path: Path, line: FolderLine) -> FolderLine:
    if (path / "summary.json").exists() or (path / RESULTS).exists():
        return replace(line, state="done")
    return replace(line, state="running" if holder(path) is not None else "unknown")


def grouped(folders: Sequence[FoundFolder], lines: Sequence[FolderLine]) -> list[FolderLine]:
    """Put the stages of a pipeline below a line of its own: runs in one folder that begin from each other."""
    parents: dict[Path, list[FoundFolder]] = {}
    for folder in folders:
        if folder.kind is FolderKind.RUN:
            parents.setdefault(folder.path.parent, []).append(folder)
    known = {folder.path for folder in folders}
    built = {
        parent for parent, stages in parents.items() if parent not in known and _build_on_each_other(stages)
    }
    by_id = {line.id: line for line in lines}
    result: list[FolderLine] = []
    placed: set[str] = set()
    for folder in folders:
        if folder.id in placed:
            continue
        if folder.kind is FolderKind.RUN and folder.path.parent in built:
            stages = parents[folder.path.parent]
            own = f"{folder.id}-stages"
            under = [replace(by_id[stage.id], stage_of=own) for stage in stages]
            result += [_pipeline(own, folder.path.parent, under), *under]
            placed |= {stage.id for stage in stages}
        else:
            result.append(by_id[folder.id])
    return result


def _build_on_each_other(stages: Sequence[FoundFolder]) -> bool:
    names = {stage.path.name for stage in stages}
    for stage in stages if len(stages) > 1 else ():
        recipe = (read_object(stage.path / CONFIG) or {}).get("recipe", {})
        base = Path(str(recipe.get("output", ""))).parent
        others = {str(base / name) for name in names - {stage.path.name}}
        texts = [value for value in _texts(recipe) if "/" in value]
        if any(text == other or text.startswith(other + "/") for text in texts for other in others):
            return True
    return False


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in below for text in _texts(one)]


def _pipeline(own: str, path: Path, stages: Sequence[FolderLine]) -> FolderLine:
    states = [stage.state for stage in stages]
    state = next(
        (one for one in ("running", "stopping", "failed", "gone", "stopped") if one in states), "done"
    )
    made = t("{done} of {all} stages done", done=states.count("done"), all=len(stages))
    newest, count = max(stage.changed for stage in stages), sum(stage.alarms for stage in stages)
    name = short(path.name)
    return FolderLine(own, name, t("pipeline"), state, t(STATES[state]), made, alarms=count, changed=newest)


# The parts of a run


def state_of(path: Path) -> tuple[RunStatus, str]:
    """Return the status of a run, and its state as a key of STATES: `running` needs a living process."""
    status = read_status(path) or RunStatus(RunState.RUNNING)
    if status.state is not RunState.RUNNING:
        return status, str(status.state)
    if holder(path) is None:
        return status, "gone"
    return status, "stopping" if (path / STOP).exists() else "running"


def findings_of(path: Path) -> list[Finding]:
    """Return a run's findings of rules that this version knows."""
    return [finding for finding in read_findings(path) if finding.rule in RULES]


def alarms_of(path: Path) -> list[Alarm]:
    """Return a run's alarms in the language spoken, the newest first."""
    return alarms(findings_of(path))[::-1]


def alarm_row(alarm: Alarm) -> dict[str, Any]:
    """Return an alarm for a script, its texts plain."""
    return {
        name: short(value, 2000) if isinstance(value, str) else value for name, value in asdict(alarm).items()
    }


def last_row(path: Path) -> Mapping[str, Any] | None:
    """Return the last whole row of a log, read from its end; None where there is none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return None
    for line in reversed(lines[:-1]):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int | float):
            return row
    return None


def shown_metrics(row: Mapping[str, Any] | None) -> tuple[tuple[str, float], ...]:
    """Return the metrics of a row that stand in the list."""
    found = []
    for names in SHOWN if row else ():
        name = next((name for name in names if name in row), "") if row else ""
        value = row.get(name) if row else None
        if isinstance(value, int | float) and math.isfinite(value):
            found.append((name, float(value)))
    return tuple(found)


def memory_of(path: Path) -> tuple[int, int] | None:
    """Return the bytes of memory that a run's process holds, and the most that it has held; None if unknown.

    The process is the one whose pid and time of birth are in the folder's lock, on this machine.
    """
    found = holder(path)
    if found is None or not _here(found):
        return None
    try:
        process = psutil.Process(found.pid)
        now = int(process.memory_info().rss)
        lines = Path(f"/proc/{found.pid}/status").read_text("utf-8", "replace").splitlines()
    except (psutil.Error, OSError):
        return None
    peak = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), now)
    return now, peak


def _here(found: Holder) -> bool:
    return found.host == socket.gethostname()


def _changed(path: Path) -> float:
    times = [
        file.stat().st_mtime for name in (METRICS, STATUS, RESULTS, CONFIG) if (file := path / name).exists()
    ]
    return max(times, default=path.stat().st_mtime)


def short(text: str, most: int = SHORT) -> str:
    """Return a stranger's text plain and cut."""
    return clipped(plain(text[: 4 * most]), most)
