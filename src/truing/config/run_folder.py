"""A run folder: the recipe of a run, its progress, and the process that writes in it.

    config.json     the recipe and the versions it ran with; accepted changes are listed in it
    status.json     state, reason, step, last checkpoint, pid, host
    metrics.jsonl   one row per logged step
    samples.jsonl   texts sampled along the way
    failures.jsonl  why rewards failed, where so few failed that the run went on
    rubrics.jsonl   how often each item of the rows' rubrics was met
    rows.json       how many rows were read, kept, set aside
    reward.json     of a reward model: how it does on held-out rows
    health.jsonl    findings of the health rules, each once
    diagnosis/      of each step in which a number was not finite: its rows, and the cause
    trackers.json   the names of the run on experiment trackers
    checkpoints/    one folder per checkpoint, written by models/checkpoint.py
    run.lock        the process that writes; empty when none does
    stop            asks that process to end after its step; whoever wants it to end writes it

Only the process that opened the folder writes in it: of many ranks, rank 0. Anybody may read.
"""

import json
import math
import os
import platform
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from truing.config.changes import RecipeChange, compare, other_secrets, recorded_since, refuse_unsafe
from truing.config.holding import Holder, acquire, release
from truing.core import files
from truing.core.errors import StorageError, UsageError
from truing.core.messages import Sentence, message
from truing.core.secrets import fingerprints, hidden, masked
from truing.core.signals import STOPS, reason_of, unheard

CONFIG, STATUS = "config.json", "status.json"
METRICS, SAMPLES, CHECKPOINTS = "metrics.jsonl", "samples.jsonl", "checkpoints"
ROWS, REWARD, TRACKERS = "rows.json", "reward.json", "trackers.json"
STOP, DIAGNOSIS = "stop", "diagnosis"
HEALTH, FAILURES, RUBRICS = "health.jsonl", "failures.jsonl", "rubrics.jsonl"
VERSIONED = ("truing", "torch", "transformers", "peft", "accelerate", "tokenizers", "numpy")


class RunState(StrEnum):
    """The state of a run. `running` is only a claim: `holder` says whether its process still lives."""

    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The content of `status.json`."""

    state: RunState
    reason: str = ""
    step: int = 0
    last_checkpoint: str | None = None
    pid: int = 0
    host: str = ""
    updated: str = ""  # ISO 8601, UTC
    skipped: int = 0  # steps so far in which a number was not finite


@dataclass(frozen=True, slots=True)
class Resumed:
    """Changes of a run since it began, or since it was last resumed."""

    changes: tuple[RecipeChange, ...] = ()  # of the recipe and of the inputs recorded beside it
    versions: tuple[RecipeChange, ...] = ()
    unknown: tuple[str, ...] = ()  # keys that were not recorded when it began

    def told(self) -> list[Sentence]:
        """Say each difference in a line."""
        lines = [
            message("going on, though {changed}", changed=c.told) for c in (*self.changes, *self.versions)
        ]
        if self.unknown:
            said = "this run began before {keys} was recorded: whether it has changed since cannot be told"
            lines.append(message(said, keys=", ".join(self.unknown)))
        return lines


class RunFolder:
    """An opened run folder, locked until `close`. Make one with `RunFolder.open`."""

    def __init__(self, path: Path, holder: Holder) -> None:
        self.path = path
        self.checkpoints = path / CHECKPOINTS
        self._holder = holder

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Create the folder where needed and lock it.

        A lock whose process died is taken over, and files it left half written are removed; so is a request
        to stop, which was meant for an earlier process. Raises `UsageError` when another process writes here,
        `StorageError` when nobody can.
        """
        path = Path(path)
        opened = cls(path, acquire(path, within=CHECKPOINTS))
        (path / STOP).unlink(missing_ok=True)
        return opened

    def close(self) -> None:
        """Release the folder. Do nothing when called twice, in a forked child or when the folder is gone."""
        release(self.path, self._holder)

    def asked_to_stop(self) -> bool:
        """Tell whether a file in the folder asks the run to end, as `ask_to_stop` writes it."""
        return os.path.lexists(self.path / STOP)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if isinstance(error, STOPS):
                self._tell_stopped(error)
        finally:
            self.close()

    def _tell_stopped(self, stop: BaseException) -> None:
        """Write a stop into the status, where the run has not done so: it was being opened, or closed."""
        with unheard():
            known = read_status(self.path) or RunStatus(RunState.RUNNING)
            told = known.state is RunState.STOPPED and known.pid == os.getpid()
            if not told and known.state is not RunState.DONE:
                how: dict[str, Any] = {
                    "last_checkpoint": known.last_checkpoint,
                    "reason": reason_of(stop, known.step),
                }
                self.write_status(RunState.STOPPED, step=known.step, **how)

    def write_config(self, config: Mapping[str, Any], allow_change: Sequence[str] = ()) -> "Resumed":
        """Record the configuration of this run, and return its differences from the last recorded one.

        The first call writes `config.json`. A later one compares: a difference that `allow_change` does
        not name and that is not safe is a `ConfigError`; others are recorded with the step they began at.
        """
        config = json.loads(json.dumps(config))  # tuples become lists, as they will be read back
        old, now = read_config(self.path), versions()
        salt = (old or {}).get("secrets", {}).get("salt") or secrets.token_hex(16)
        known = {"salt": salt, "hashes": fingerprints(config, salt)}
        config = masked(config)
        if old is None:
            self._record(config, known, now, [])
            return Resumed()
        changes = [*compare(old["recipe"], config), *other_secrets(old.get("secrets"), known)]
        refuse_unsafe(changes, allow_change)
        others = compare({"versions": old["versions"]}, {"versions": now})
        unknown = recorded_since(old["recipe"], config)
        found = Resumed(tuple(changes), tuple(others), tuple(unknown))
        if found != Resumed():
            status = read_status(self.path)
            step = status.step if status else 0
            rows = [{"step": step, **change.row()} for change in changes + others]
            self._record(config, known, now, old["changes"] + rows)
        return found

    def _record(
        self, config: Mapping[str, Any], known: Mapping[str, Any], now: Mapping[str, str], changes: list[Any]
    ) -> None:
        content = {"recipe": config, "versions": now, "changes": changes}
        if known["hashes"]:
            content["secrets"] = known
        files.write_atomic(self.path / CONFIG, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def write_status(
        self,
        state: RunState,
        *,
        step: int,
        last_checkpoint: str | None = None,
        reason: str = "",
        skipped: int = 0,
    ) -> None:
        """Replace `status.json`."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        reason, host = hidden(reason), socket.gethostname()
        status = RunStatus(state, reason, step, last_checkpoint, os.getpid(), host, now, skipped)
        files.write_atomic(self.path / STATUS, json.dumps(asdict(status), indent=2) + "\n")

    def write_facts(self, name: str, facts: Mapping[str, Any]) -> None:
        """Replace one of the files of facts about a run: ROWS, REWARD or TRACKERS."""
        files.write_atomic(self.path / name, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")

    def log_metrics(self, step: int, values: Mapping[str, Any]) -> None:
        """Add a row to `metrics.jsonl`; a statistic that is no number, such as one of nothing, is null."""
        known = {name: value if _is_number(value) else None for name, value in values.items()}
        files.append_jsonl(self.path / METRICS, {"step": step, **known})

    def log_sample(self, step: int, values: Mapping[str, Any]) -> None:
        """Add a row to `samples.jsonl`."""
        files.append_jsonl(self.path / SAMPLES, {"step": step, **values})

    def log_failure(self, step: int, values: Mapping[str, Any]) -> None:
        """Add a row to `failures.jsonl`."""
        files.append_jsonl(self.path / FAILURES, {"step": step, **masked(values)})

    def log_rubric(self, step: int, values: Mapping[str, Any]) -> None:
        """Add a row to `rubrics.jsonl`."""
        files.append_jsonl(self.path / RUBRICS, {"step": step, **values})

    def rewind(self, step: int | None, *, metrics: int | None = None) -> None:
        """Cut the logs back to the checkpoint of `step`, so that they end as in an unbroken run.

        Rows of later steps go; None, for a run without a checkpoint, drops every row. `metrics` is the last
        step whose metrics are known, where that is an earlier one.
        """
        for path in (self.path / name for name in (METRICS, SAMPLES, FAILURES, RUBRICS)):
            last = metrics if metrics is not None and path.name == METRICS else step
            if path.exists():
                kept = [row for row in files.read_jsonl(path) if last is not None and row["step"] <= last]
                files.write_atomic(path, b"".join(map(files.json_line, kept)))


def ask_to_stop(path: Path) -> None:
    """Ask the run in a folder to end after its step, with a checkpoint. Raises StorageError."""
    try:
        os.close(os.open(path / STOP, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644))
    except OSError as error:
        raise files.cannot_write(path / STOP, 0, error) from error


# Reading a folder somebody else may be writing in


def read_status(path: Path) -> RunStatus | None:
    """Read the status of the run in a folder; None where the run has not written one yet."""
    row = _read_json(path / STATUS)
    if row is None:
        return None
    try:
        told: dict[str, Any] = {**row, "state": RunState(row["state"])}
        return RunStatus(**told)
    except (KeyError, ValueError, TypeError) as error:
        raise _damaged(path / STATUS, error) from error


def read_config(path: Path) -> dict[str, Any] | None:
    """`config.json` of a run: `recipe`, `versions` and `changes`; None where there is none.

    Secrets of the recipe are hidden, also in a file of an earlier version, which has them.
    """
    found = _read_json(path / CONFIG)
    if not found or "recipe" not in found:
        return found
    if not isinstance(found["recipe"], dict):
        raise _damaged(path / CONFIG, "its recipe is no object")
    return {**found, "recipe": masked(found["recipe"])}


def require_there(paths: Sequence[Path]) -> None:
    """Raise `UsageError` for a path that does not exist, and where no path is given."""
    if not paths:
        raise UsageError(message("no run was given"), hint=message("name a run folder"))
    for path in paths:
        if not path.exists():
            hint = message("give a run folder, as `truing train` writes it, or the folder of an evaluation")
            raise UsageError(message("{path} does not exist", path=path), hint=hint)


def run_recipe(path: Path) -> dict[str, Any] | None:
    """The recipe of a run folder, None where `path` is something else."""
    config = read_config(path)
    return config.get("recipe") if config else None


def resolved_dtype(path: Path) -> str | None:
    """Read the format that `dtype: auto` became when the run in a folder began; None where unknown."""
    recipe = run_recipe(path)
    return recipe.get("resolved", {}).get("dtype") if recipe else None


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The metrics a run has logged so far."""
    return files.read_jsonl(path / METRICS)


def missing_steps(path: Path) -> int:
    """Count the steps of a run that its metrics lack: the file was cut short."""
    status = read_status(path)
    logged = {row["step"] for row in read_metrics(path)}
    return max(0, status.step - len(logged)) if status else 0


def read_rows(path: Path) -> dict[str, Any] | None:
    """Read the counts of a run's rows: `read`, `made`, `kept`, `set_aside` by reason, `train`, `held_out`."""
    return _read_json(path / ROWS)


def _is_number(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _read_json(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        found: object = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _damaged(path, error) from error
    if not isinstance(found, dict):
        raise _damaged(path, "it holds no object")
    return cast("dict[str, Any]", found)


def _damaged(path: Path, error: object) -> StorageError:
    return StorageError(f"{path} is damaged: {error}", hint="put it back from a copy, or remove it")


def versions() -> dict[str, str]:
    """The versions of everything whose numbers a run depends on."""
    found = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
