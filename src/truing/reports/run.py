"""The report of one run folder, finished or not: its recipe, its training, its held-out rows.

    run folder -> `read_run` -> `RunRecord` -> `run_report` -> `Report`

Everything comes from the files that the run wrote (config/run_folder.py); no weights are opened.
"""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from truing.config.holding import holder
from truing.config.run_folder import (
    REWARD,
    RunState,
    RunStatus,
    read_config,
    read_metrics,
    read_rows,
    read_status,
)
from truing.core.errors import DataError, UsageError
from truing.core.messages import message, recognised, told
from truing.core.words import sentences, spoken, t
from truing.evals.reward_summary import RewardSummary, percent
from truing.reports.alarms import alarms, healthy
from truing.reports.curves import ends, read_series
from truing.reports.recipe import recipe_command
from truing.reports.records import DataCount, Report, StageRecord
from truing.reports.samples import Sampled, read_samples, sample_tables
from truing.training.health import Finding, read_findings

RESULTS = (("reward", "mean reward", max), ("loss", "loss", min))  # metric, its words, which value is best
STOPPED = (
    "stopped by {name} after step {step}",
    "stopped by {name} before the first step",
    "stopped on request after step {step}",
)  # reasons that `core/signals.py` and `training/hooks.py` write into a run's status
NOT_RECIPE = ("inputs", "models", "resolved")  # keys of a run's config beside the recipe


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The content of a run folder, read once."""

    path: Path
    config: Mapping[str, Any]  # recipe, versions, changes
    status: RunStatus
    alive: bool  # whether a process is training here
    metrics: Sequence[Mapping[str, Any]]  # at least one
    rows: Mapping[str, Any] | None
    reward: RewardSummary | None
    findings: Sequence[Finding] = ()  # of the health rules in training
    samples: Sequence[Sampled] = ()

    @property
    def asked(self) -> Mapping[str, Any]:
        """The recipe and, under NOT_RECIPE, the values that the run derived from it."""
        return self.config["recipe"]

    @property
    def done(self) -> bool:
        return self.status.state is RunState.DONE


def read_run(path: Path) -> RunRecord:
    """Read a run folder. Raises UsageError for any other `path`, DataError before the run's first step."""
    config = read_config(path)
    if config is None or "recipe" not in config:
        raise UsageError(
            message("{path} is no run folder" if path.exists() else "{path} does not exist", path=path),
            hint=message("a run folder is what a recipe names as its `output`; `truing train` writes it"),
        )
    metrics = read_metrics(path)
    if not metrics:
        raise DataError(
            message("{path} has no metrics: the run has not finished a step", path=path),
            hint=message("run its `truing train` command again; it resumes"),
        )
    status = read_status(path) or RunStatus(RunState.STOPPED)
    reward = RewardSummary.read(path / REWARD) if (path / REWARD).exists() else None
    said = (read_findings(path), read_samples(path))
    return RunRecord(path, config, status, holder(path) is not None, metrics, read_rows(path), reward, *said)


def run_report(found: RunRecord) -> Report:
    """Return the report that the page of a run shows."""
    method = found.asked["method"].upper()
    seconds = sum(row.get("seconds", 0.0) for row in found.metrics)
    loss = found.asked["resolved"]["loss"]  # a name; for an online method, with its arguments
    stage = StageRecord(
        method, loss if isinstance(loss, str) else loss["name"], seconds, _steps(found), found.metrics
    )
    return Report(
        title=t(
            "{run}: {method} on {policy}",
            run=found.path.resolve().name,
            method=method,
            policy=found.asked["policy"],
        ),
        created=datetime.now(UTC),
        command=recipe_command("train"),
        summary=sentences([state_text(found), *_results(found)]),
        notes=_notes(found),
        alarms=alarms(found.findings),
        healthy="" if found.findings else healthy(found.metrics, found.asked["health"]),
        reward=found.reward,
        stages=[stage],
        samples=sample_tables(found.samples),
        data=_data(found),
        versions=found.config["versions"],
        config={method: _recipe_text(found.config)},
    )


def state_text(found: RunRecord) -> str:
    """Say the state of the run in a sentence."""
    status, steps = found.status, _steps(found)
    after = t("after {n:,} steps" if steps != 1 else "after {n:,} step", n=steps)
    if found.done:
        return t("Finished {after}.", after=after)
    if found.alive:
        return t("Still running, {after}.", after=after)
    if status.state is RunState.FAILED:
        return t("Failed {after}.", after=after)
    return t("Interrupted {after}.", after=after)


def _steps(found: RunRecord) -> int:
    return int(found.metrics[-1]["step"])


def _results(found: RunRecord) -> list[str]:
    """Return the result of the run in one sentence, or no sentence."""
    reward = found.reward
    if reward is not None and reward.accuracy is not None:
        accuracy = percent(reward.accuracy).rpartition(", n ")[0] + ")"
        several = "Of {n:,} held-out pairs the better response scores higher in {accuracy}."
        one = "Of {n:,} held-out pair the better response scores higher in {accuracy}."
        return [t(several if reward.pairs != 1 else one, n=reward.pairs, accuracy=accuracy)]
    if reward is not None and reward.row_score is not None and reward.row_score.pearson is not None:
        told = "On held-out rows its scores and the rows' own correlate by {r:.2f}."
        return [t(told, r=reward.row_score.pearson)]
    for name, words, best in RESULTS:
        if held := _values(found, f"eval/{name}"):
            told = "The held-out {metric} ended at {last:.3g}; its best was {best:.3g}."
            return [t(told, metric=t(words), last=held[-1], best=best(held))]
    for name, words, _ in RESULTS:
        if values := _values(found, name):
            return [_went(t(words), values)]
    return []


def _went(metric: str, values: Sequence[float]) -> str:
    """Say the change of a metric of batches by two means, since two batches differ by chance."""
    moved = ends(values)
    if moved is None:
        several = "The {metric} was {mean:.3g} on average; {n} steps are too few to say whether it moved."
        one = "The {metric} was {mean:.3g}; {n} step is too few to say whether it moved."
        mean = statistics.fmean(values)
        return t(several if len(values) > 1 else one, metric=metric, mean=mean, n=len(values))
    told = "The {metric} went from {first:.3g} to {last:.3g}: means of the first and of the last {n} steps."
    return t(told, metric=metric, first=moved.first, last=moved.last, n=moved.steps)


def _values(found: RunRecord, name: str) -> list[float]:
    """Return the finite values of a metric, step by step."""
    return read_series(found.metrics, name).values


def told_reason(status: RunStatus) -> str:
    """Return the reason of a run's end: a message if the run was stopped; an error stays as written."""
    return recognised(status.reason, STOPPED)


def _notes(found: RunRecord) -> list[str]:
    """Return notes that a reader must know before trusting the page."""
    status, notes = found.status, []
    if not found.done and not found.alive:
        gone = t("its process is gone")
        ended = told(told_reason(status), spoken()) or t("it did not finish")
        reason = gone if status.state is RunState.RUNNING else ended
        last = status.last_checkpoint
        saved = "{reason}; the last checkpoint is {last}." if last else "{reason}; none is saved."
        how = t(saved, reason=f"{reason[:1].upper()}{reason[1:]}", last=last)
        notes.append(sentences([how, t("The same `truing train` command resumes it.")]))
    if status.skipped:
        several = (
            "{n:,} steps were skipped, since a number in them was not finite; the folder diagnosis says why."
        )
        one = "{n:,} step was skipped, since a number in it was not finite; the folder diagnosis says why."
        notes.append(t(several if status.skipped > 1 else one, n=status.skipped))
    if found.reward is not None and found.reward.step is not None and not found.done:
        earlier = "The held-out numbers are of an earlier result, with the weights after step {step}."
        notes.append(t(earlier, step=found.reward.step))
    return notes


def _data(found: RunRecord) -> list[DataCount]:
    """Count the training rows: read, kept, set aside; empty for a run that wrote no counts."""
    rows = found.rows
    if rows is None:
        return []
    source = ", ".join(found.asked["data"]["train"])
    if rows["made"]:
        source += t(" ({n:,} rows more, made of pairs)", n=rows["made"])
    if rows["train"] != rows["kept"]:
        source += t(" ({n:,} trained on, {held_out:,} held out)", n=rows["train"], held_out=rows["held_out"])
    if noticed := rows.get("cut", {}) | rows.get("notes", {}):
        counts = ", ".join(f"{count:,} {reason}" for reason, count in noticed.items())
        source += t(" (noticed in those kept: {counts})", counts=counts)
    if shared := rows.get("in_evaluation"):
        source += t(" ({n:,} stand in the evaluation too)", n=shared)
    why = ", ".join(f"{count:,} {reason}" for reason, count in rows["set_aside"].items())
    read, aside = rows["read"] + rows["made"], sum(rows["set_aside"].values())
    return [DataCount(source, read, rows["kept"], aside, why)]


def _recipe_text(config: Mapping[str, Any]) -> str:
    """Return the recipe as YAML for `truing train`, with the run's own values in comments above it."""
    asked, acted = config["recipe"], config["recipe"]["resolved"]
    recipe = {key: value for key, value in asked.items() if key not in NOT_RECIPE}
    said = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in acted.items()]
    said += [f"{path}: sha256 {digest}" for path, digest in asked["inputs"].items()]
    changed = "{key} was {was} up to step {step}, then {now}"
    said += [
        t(changed, key=row["key"], was=json.dumps(row["was"]), step=row["step"], now=json.dumps(row["is"]))
        for row in config["changes"]
    ]
    comments = "".join(f"# {' '.join(line.split())}\n" for line in said)
    return comments + yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True)
