"""The metrics of runs of other trainers: `trainer_state.json`, as transformers and TRL write it.

Rows of its `log_history` become rows as in our metrics.jsonl: `eval_x` is `eval/x`, and what TRL calls
otherwise than we do has a line in `NAMES`. Numbers that a log holds as text are read as numbers.
"""

import json
import re
from pathlib import Path
from typing import Any

from truing.core.errors import DataError, UsageError

STATE = "trainer_state.json"
NAMES = {
    "objective/kl": "kl/response",  # PPO: summed over a response
    "objective/entropy": "entropy",
    "objective/scores": "reward",
    "completion_length": "completions/mean_length",  # GRPO before 0.17
}


def find_state(path: Path) -> Path | None:
    """The state that a path leads to: a file, a checkpoint, or an output folder's newest checkpoint."""
    if path.is_file():
        return path
    if (path / STATE).is_file():
        return path / STATE
    saved = [at for at in path.glob(f"checkpoint-*/{STATE}") if at.parent.name[11:].isdigit()]
    return max(saved, key=lambda at: int(at.parent.name[11:]), default=None)


def read_state(path: Path) -> list[dict[str, Any]]:
    """The logged rows, in their order. Raises DataError where the file is damaged or holds none."""
    try:
        state = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    rows = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UsageError(
            f"{path} has no log_history",
            hint=f"give a run folder of truing, or the {STATE} that transformers or TRL wrote",
        )
    read = [{name: _number(value) for name, value in row.items()} for row in rows]
    kept = [_renamed(row) for row in read if isinstance(row.get("step"), int | float)]
    if not kept:
        raise DataError(f"{path} has no logged steps", hint="train with logging_steps set, then look again")
    return kept


def _number(value: Any) -> Any:
    """A number that was written as text, such as "0.69" or "nan"; anything else as it is."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _renamed(row: dict[str, Any]) -> dict[str, Any]:
    plain = {re.sub(r"^eval_", "eval/", name): value for name, value in row.items()}
    return {NAMES.get(name, name): value for name, value in plain.items()} | {"step": int(row["step"])}
