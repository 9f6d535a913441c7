"""`truing doctor RUN`: the health rules over the metrics of a finished or a live run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from truing.cli.commands import command
from truing.cli.language import console_language
from truing.cli.show import next_step, shown
from truing.config.health import Health
from truing.core.doing import doing
from truing.core.errors import UsageError
from truing.core.messages import OR, joined, message

if TYPE_CHECKING:
    from truing.training.health import Finding

SICK = 4  # the exit code of --strict
DONE = {
    "stop": "the run was stopped",
    "rollback": "the run went back to step {back_to}",
    "remedy": "remedied",
}


@dataclass(frozen=True)
class _Patient:
    """The facts of a run before the rules look at its metrics."""

    title: str
    rows: Sequence[Mapping[str, Any]]  # of metrics
    asked: Health  # of the rules, by its recipe
    said: "Sequence[Finding]" = ()  # while it trained
    notes: Sequence[str] = ()


def tell(line: str) -> None:
    """Print a line of the diagnosis in the language of this terminal."""
    print(shown(line))


def diagnose_run(run: Path, *, strict: bool) -> None:
    """Print the findings on a run folder or the log of another trainer; with `strict` they exit with SICK.

    A finding that the run remedied in training does not count as sick; a log without any rule's metrics does.
    """
    with doing(message("reading {path}", path=run)):
        from truing.config.run_folder import run_recipe
        from truing.training.health import diagnose

        patient = _read(run)
        found, watch = diagnose(patient.rows, patient.asked)
    tell(patient.title)
    for line in patient.notes:
        tell(line)
    for one in patient.said:
        if one.action in DONE:
            done = message(DONE[one.action], back_to=one.back_to)
            tell(message("{rule} at step {step}: {done}", rule=one.rule, step=one.step, done=done))
    known = {(one.rule, one.step): one.seen() for one in patient.said}  # with the pairs that drive it
    for finding in found:
        said = "\n{rule}: since step {since}, seen at step {step}\n  {saw}\n  → {advice}"
        saw = known.get((finding.rule, finding.step), finding.seen())
        where = {"rule": finding.rule, "since": finding.since, "step": finding.step}
        tell(message(said, saw=saw, advice=message(finding.advice), **where))
    blind = watch.blind()
    looked = len(watch.looks) - len(blind)
    unknown = not found and bool(watch.looks) and not looked
    if unknown:
        tell(message("not known: none of {n} rules had metrics to look at", n=len(watch.looks)))
    elif not found:
        sound = "healthy: {seeing} of {n} rules had metrics to look at, and saw nothing"
        tell(message(sound, seeing=looked, n=len(watch.looks)))
    if blind:
        tell(message("\nnot looked at, their metrics are not logged: {names}", names=joined(", ", blind)))
    cured = {one.rule for one in patient.said if one.action == "remedy"}
    sick = [finding for finding in found if finding.rule not in cured]
    if sick:
        next_step("truing train RECIPE --set health.action=stop", "ends such a run when it is seen")
    elif run.is_dir() and run_recipe(run) is not None:
        next_step(command("report", run), "its curves, in one page")
    if (sick or unknown) and strict:
        raise typer.Exit(SICK)


def _read(run: Path) -> _Patient:
    from truing.config.run_folder import METRICS, run_recipe
    from truing.training.foreign_logs import STATE, find_log, read_log

    if not run.exists():
        hint = message("give a run folder, or none to describe this machine")
        raise UsageError(message("{path} does not exist", path=run), hint=hint)
    folder = run.parent if run.name == METRICS else run
    if folder.is_dir() and (recipe := run_recipe(folder)) is not None:
        return _read_folder(folder, recipe)
    log = find_log(run)
    if log is None:
        hint = message("a run folder is what a recipe names as its `output`; `truing train` writes it")
        names = joined(OR, [STATE, METRICS])
        raise UsageError(
            message("{run} is no run folder and holds no {name}", run=run, name=names), hint=hint
        )
    rows = read_log(log)
    title = message("{path}: {n} steps", path=log, n=rows[-1]["step"])
    return _Patient(title, rows, Health())


def _read_folder(run: Path, recipe: Mapping[str, Any]) -> _Patient:
    from truing.config.run_folder import missing_steps
    from truing.core.words import speaking
    from truing.reports.run import read_run, state_text, told_reason
    from truing.training.health import read_findings

    found = read_run(run)
    with speaking(console_language()):
        state = state_text(found)
    title = message(
        "{run}: {method} on {policy}. {state}{reason}",
        run=run,
        method=recipe["method"].upper(),
        policy=recipe["policy"],
        state=state,
        reason=message(" {reason}.", reason=told_reason(found.status)) if found.status.reason else "",
    )
    asked = Health.model_validate(recipe.get("health", {}))
    lost = missing_steps(run)
    cut = message("metrics.jsonl was cut short: the numbers of {lost} steps are lost", lost=lost)
    notes = [cut] if lost else []
    return _Patient(title, found.metrics, asked, read_findings(run), notes)
