"""The metrics of runs of other trainers, as rows such as our metrics.jsonl has.

    trainer_state.json    transformers and TRL: its log_history; `eval_x` is `eval/x`
    NAME.jsonl            verl's file logger: {"step": 1, "data": {"actor/grad_norm": 0.5}}
    metrics.jsonl         prime-rl: {"step": 1, "time": 1e9, "optim/grad_norm": 0.5}, several rows a step

`metric_names.py` maps their names to ours. Numbers that a log holds as text are read as numbers.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from truing.config.run_folder import METRICS
from truing.core.errors import DataError, UsageError
from truing.core.messages import message
from truing.training.metric_names import renames

STATE = "trainer_state.json"
READABLE = "give a run folder of truing, the {state} of transformers or TRL, or a log of verl or prime-rl"
LogRow = dict[str, Any]


def find_log(path: Path) -> Path | None:
    """Find the log behind a path: a file, the newest `trainer_state.json` of a folder, or its JSON lines.

    Raises UsageError for a folder of several logs: verl writes one file for each experiment.
    """
    if path.is_file():
        return path
    if (path / STATE).is_file():
        return path / STATE
    saved = [at for at in path.glob(f"checkpoint-*/{STATE}") if at.parent.name[11:].isdigit()]
    if saved:
        return max(saved, key=lambda at: int(at.parent.name[11:]))
    if (path / METRICS).is_file():
        return path / METRICS
    logs = [one for one in sorted(path.glob("*.jsonl")) if _starts_with_a_step(one)]
    if len(logs) > 1:
        names = ", ".join(one.name for one in logs)
        raise UsageError(
            message("{path} holds several logs: {names}", path=path, names=names),
            hint=message("give one of them"),
        )
    return logs[0] if logs else None


def _starts_with_a_step(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            row = json.loads(file.readline())
        except ValueError:
            return False
    return isinstance(row, dict) and _is_step(row.get("step"))


def read_log(path: Path) -> list[LogRow]:
    """Read the logged rows, their metrics under our names, in the order of their steps.

    Raises DataError where the file is damaged or holds no rows, UsageError where it is no log.
    """
    rows = _lines(path) if path.suffix == ".jsonl" else _history(path)
    kept = [row for row in rows if _is_step(row.get("step"))]
    if not kept:
        raise DataError(f"{path} has no logged steps", hint="train with logging_steps set, then look again")
    ours = renames(name for row in kept for name in row)
    return [{ours.get(name, name): value for name, value in row.items()} for row in kept]


def _is_step(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _history(path: Path) -> list[LogRow]:
    """The rows of a `trainer_state.json`."""
    try:
        state = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    rows = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UsageError(f"{path} has no log_history", hint=message(READABLE, state=STATE))
    return [_plain({re.sub(r"^eval_", "eval/", name): value for name, value in row.items()}) for row in rows]


def _lines(path: Path) -> list[LogRow]:
    """Read JSON lines as one row for each step: rows of the same step are joined, and later values win."""
    steps: dict[int, LogRow] = {}
    for row in _objects(path):
        told = row["data"] if isinstance(row.get("data"), Mapping) else row
        plain = _plain({**told, "step": row.get("step")})
        if _is_step(plain["step"]):
            steps.setdefault(plain["step"], {}).update(plain)
    return [steps[step] for step in sorted(steps)]


def _objects(path: Path) -> Iterable[LogRow]:
    lines = path.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            if number == len(lines) and not line.endswith(b"\n"):
                return  # torn: its process is writing it, or was killed
            raise DataError(f"{path}:{number} cannot be read: {error}") from error
        if not isinstance(row, dict):
            said = "{path}:{line} is no row of metrics"
            raise UsageError(message(said, path=path, line=number), hint=message(READABLE, state=STATE))
        yield row


def _plain(row: Mapping[str, Any]) -> LogRow:
    """Return a row with numbers where it had numbers as text, and with a whole step."""
    read = {name: _number(value) for name, value in row.items()}
    return read | ({"step": int(read["step"])} if _is_step(read.get("step")) else {})


def _number(value: Any) -> Any:
    """Read a number that was written as text, such as "0.69" or "nan"; return anything else as it is."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
