"""What `truing doctor RUN` says: the health rules over the metrics of a run that has been, or is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from truing.cli.show import next_step
from truing.core.errors import UsageError
from truing.core.health_parts import Health

if TYPE_CHECKING:
    from truing.train.health import Finding

SICK = 4  # the exit code of --strict
DONE = {
    "stop": "the run was stopped",
    "rollback": "the run went back to step {back_to}",
    "remedy": "remedied",
}


@dataclass(frozen=True)
class _Patient:
    """What is known of a run before the rules look at it."""

    title: str
    rows: Sequence[Mapping[str, Any]]  # of metrics
    asked: Health  # of the rules, by its recipe
    said: "Sequence[Finding]" = ()  # while it trained
    notes: Sequence[str] = ()


def diagnose_run(run: Path, *, strict: bool) -> None:
    """Print the findings on a run folder or a trainer_state.json; with `strict` they exit with SICK.

    What was remedied while the run trained does not count as sick; a log that tells no rule anything does.
    """
    from truing.train.health import diagnose

    patient = _read(run)
    found, watch = diagnose(patient.rows, patient.asked)
    print(patient.title)
    for line in patient.notes:
        print(line)
    for one in patient.said:
        if one.action in DONE:
            print(f"{one.rule} at step {one.step}: {DONE[one.action].format(back_to=one.back_to)}")
    known = {(one.rule, one.step): one.saw for one in patient.said}  # with the pairs that drive it
    for finding in found:
        saw = known.get((finding.rule, finding.step), finding.saw)
        print(f"\n{finding.rule}: since step {finding.since}, seen at step {finding.step}")
        print(f"  {saw}\n  → {finding.advice}")
    blind = watch.blind()
    looked = len(watch.looks) - len(blind)
    unknown = not found and bool(watch.looks) and not looked
    if unknown:
        print(f"not known: none of {len(watch.looks)} rules had metrics to look at")
    elif not found:
        print(f"healthy: {looked} of {len(watch.looks)} rules had metrics to look at, and saw nothing")
    if blind:
        print(f"\nnot looked at, their metrics are not logged: {', '.join(blind)}")
    cured = {one.rule for one in patient.said if one.action == "remedy"}
    sick = [finding for finding in found if finding.rule not in cured]
    if sick:
        next_step("truing train RECIPE --set health.action=stop", "ends such a run when it is seen")
    if (sick or unknown) and strict:
        raise typer.Exit(SICK)


def _read(run: Path) -> _Patient:
    from truing.core.runs import run_recipe
    from truing.train.trainer_state import STATE, find_state, read_state

    if not run.exists():
        raise UsageError(f"{run} does not exist", hint="give a run folder, or none to describe this machine")
    if run.is_dir() and (recipe := run_recipe(run)) is not None:
        return _read_folder(run, recipe)
    state = find_state(run)
    if state is None:
        raise UsageError(
            f"{run} is no run folder and holds no {STATE}",
            hint="a run folder is what a recipe names as its `output`; `truing train` writes it",
        )
    rows = read_state(state)
    return _Patient(f"{state}: {rows[-1]['step']} steps", rows, Health())


def _read_folder(run: Path, recipe: Mapping[str, Any]) -> _Patient:
    from truing.core.runs import missing_steps
    from truing.evals.run_report import read_run, state_text
    from truing.train.health import read_findings

    found = read_run(run)
    reason = f" {found.status.reason}." if found.status.reason else ""
    title = f"{run}: {recipe['method'].upper()} on {recipe['policy']}. {state_text(found)}{reason}"
    asked = Health.model_validate(recipe.get("health", {}))
    lost = missing_steps(run)
    notes = [f"metrics.jsonl was cut short: the numbers of {lost} steps are lost"] if lost else []
    return _Patient(title, found.metrics, asked, read_findings(run), notes)
