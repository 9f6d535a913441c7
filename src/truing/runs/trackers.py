"""The trackers that a recipe's `track` may name, each as a row of `KINDS`.

    Named -> `open` of a TrackerKind: one of Accelerate's trackers -> its `log`, `alert` and `finish`

Accelerate drives the trackers; calls that it lacks, such as alerts, go to the package itself. Every package
is imported where its tracker is opened, so a run that names none imports none. To add one: a row in `KINDS`,
its name in `config/track.py`, its package in the extra `trackers`, and a test that reads back what it wrote.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from truing.core.errors import ConfigError
from truing.core.messages import message
from truing.training.hooks import Logs

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

    from truing.training.health import Finding

NOT_IN_MLFLOW = re.compile(r"[^/\w.\- :]")  # MLflow refuses names of metrics with other characters


@dataclass(frozen=True)
class Named:
    """The names under which a tracker knows one run."""

    project: str
    name: str
    token: str  # eight characters that no other run of this name has
    folder: Path
    config: Mapping[str, Any]  # the recipe, section in section
    known: str | None = None  # the tracker's own name of a run that goes on; None at its start


def _log(tracker: "GeneralTracker", step: int, logs: Logs, again: bool) -> None:
    tracker.log(logs, step=step)


def _finish(tracker: "GeneralTracker", failed: bool) -> None:
    tracker.finish()


@dataclass(frozen=True)
class TrackerKind:
    """The functions that open one tracker, write to it and close it."""

    package: str
    open: Callable[[Named], "GeneralTracker"]
    variable: str = ""  # of the environment, which names the project where the recipe does not
    log: Callable[["GeneralTracker", int, Logs, bool], None] = _log  # the bool: this step was told before
    alert: Callable[["GeneralTracker", "Finding"], None] | None = None
    finish: Callable[["GeneralTracker", bool], None] = _finish  # the bool: training failed
    identity: Callable[["GeneralTracker"], str] = lambda tracker: ""  # what `Named.known` is next time


def require_trackers(names: Iterable[str]) -> None:
    """Raise ConfigError for a tracker whose package is not installed. A folder of its name is no package."""
    for name in names:
        package = KINDS[name].package
        found = find_spec(package)
        if found is None or found.origin is None:
            hint = "pip install {package}; truing's extra `trackers` has all five: pip install '.[trackers]'"
            raise ConfigError(
                message("track: {name} is not installed", name=name), hint=message(hint, package=package)
            )


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, bool | int | float | str]:
    """Flatten a configuration to dotted keys, for trackers without sections; lists and null become JSON."""
    values: dict[str, bool | int | float | str] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            values |= flat(value, f"{prefix}{name}.")
        else:
            plain = isinstance(value, bool | int | float | str)
            values[f"{prefix}{name}"] = value if plain else json.dumps(value, ensure_ascii=False)
    return values


def _title(finding: "Finding") -> str:
    return f"{finding.rule} at step {finding.step}"


def _text(finding: "Finding") -> str:
    done = "" if finding.action == "warn" else f"\ndone: {finding.action}"
    return f"{finding}\n→ {finding.advice}{done}"


def _level(finding: "Finding") -> str:
    return "ERROR" if finding.action == "stop" else "WARN"


# TensorBoard: files in the run folder


def _open_tensorboard(run: Named) -> "GeneralTracker":
    from accelerate.tracking import TensorBoardTracker

    tracker = TensorBoardTracker("tensorboard", run.folder)
    tracker.start()
    if run.known is None:
        tracker.store_init_configuration(flat(run.config))
    return tracker


def _log_tensorboard(tracker: Any, step: int, logs: Logs, again: bool) -> None:
    """Write a step; where it was written before, TensorBoard hides the old steps from it on."""
    if again:
        tracker.writer.close()
        tracker.writer.purge_step = step
    tracker.log(logs, step=step)


# Weights & Biases: online, or files in ./wandb where WANDB_MODE is offline


def _open_wandb(run: Named) -> "GeneralTracker":
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb  # pyright: ignore[reportMissingImports]
    from accelerate.tracking import WandBTracker

    quiet = wandb.Settings(console="off")  # what the terminal says stays here
    how = {"name": run.name, "id": run.token, "resume": "allow", "config": dict(run.config)}
    tracker = WandBTracker(run.project, settings=quiet, **how)
    tracker.start()
    tracker.run.define_metric("*", step_metric="step")
    return tracker


def _log_wandb(tracker: "GeneralTracker", step: int, logs: Logs, again: bool) -> None:
    """Log `step` beside the metrics: W&B's own steps never go back, and would drop a repeated step."""
    tracker.log({**logs, "step": step})


def _alert_wandb(tracker: Any, finding: "Finding") -> None:
    tracker.run.alert(title=_title(finding), text=_text(finding), level=_level(finding))


def _finish_wandb(tracker: Any, failed: bool) -> None:
    tracker.run.finish(exit_code=int(failed))


# trackio: an SQLite file for each project in TRACKIO_DIR


def _open_trackio(run: Named) -> "GeneralTracker":
    from accelerate.tracking import TrackioTracker

    name = f"{run.name}-{run.token}"  # trackio finds a run to resume by its name
    tracker = TrackioTracker(run.project, name=name, resume="allow", config=dict(run.config), embed=False)
    tracker.start()
    return tracker


def _alert_trackio(tracker: Any, finding: "Finding") -> None:
    from trackio import AlertLevel  # pyright: ignore[reportMissingImports]

    tracker.run.alert(_title(finding), _text(finding), AlertLevel[_level(finding)], step=finding.step)


def _finish_trackio(tracker: object, failed: bool) -> None:
    import trackio  # pyright: ignore[reportMissingImports]

    trackio.finish()  # also forgets the run, which would be finished again at exit


# SwanLab: files in ./swanlog unless SWANLAB_MODE says otherwise


def _open_swanlab(run: Named) -> "GeneralTracker":
    import swanlab  # pyright: ignore[reportMissingImports]
    from accelerate.tracking import SwanLabTracker

    mode = os.environ.get("SWANLAB_MODE") or ("local" if find_spec("swanboard") else "offline")
    quiet = swanlab.Settings(terminal={"proxy_type": "none"})
    how = {"name": run.name, "mode": mode, "config": dict(run.config), "settings": quiet}
    tracker = SwanLabTracker(run.project, id=run.token, resume="allow", **how)
    tracker.start()
    return tracker


def _finish_swanlab(tracker: Any, failed: bool) -> None:
    tracker.run.finish(state="crashed" if failed else "success", error="training failed" if failed else None)


# MLflow: ./mlflow.db, or the server that MLFLOW_TRACKING_URI names


def _open_mlflow(run: Named) -> "GeneralTracker":
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from accelerate.tracking import MLflowTracker

    tracker = MLflowTracker(run.project, run_id=run.known, run_name=run.name)
    tracker.start()
    if run.known is None:  # MLflow takes a parameter once
        tracker.store_init_configuration(flat(run.config))
    return tracker


def _log_mlflow(tracker: "GeneralTracker", step: int, logs: Logs, again: bool) -> None:
    tracker.log({NOT_IN_MLFLOW.sub("_", name): value for name, value in logs.items()}, step=step)


def _mlflow_run(tracker: Any) -> str:
    return tracker.active_run.info.run_id


def _finish_mlflow(tracker: "GeneralTracker", failed: bool) -> None:
    import mlflow  # pyright: ignore[reportMissingImports]

    mlflow.end_run("FAILED" if failed else "FINISHED")


KINDS: Mapping[str, TrackerKind] = {
    "tensorboard": TrackerKind("tensorboard", _open_tensorboard, log=_log_tensorboard),
    "wandb": TrackerKind(
        "wandb", _open_wandb, "WANDB_PROJECT", log=_log_wandb, alert=_alert_wandb, finish=_finish_wandb
    ),
    "trackio": TrackerKind(
        "trackio", _open_trackio, "TRACKIO_PROJECT", alert=_alert_trackio, finish=_finish_trackio
    ),
    "swanlab": TrackerKind("swanlab", _open_swanlab, "SWANLAB_PROJECT", finish=_finish_swanlab),
    "mlflow": TrackerKind(
        "mlflow",
        _open_mlflow,
        "MLFLOW_EXPERIMENT_NAME",
        log=_log_mlflow,
        finish=_finish_mlflow,
        identity=_mlflow_run,
    ),
}
