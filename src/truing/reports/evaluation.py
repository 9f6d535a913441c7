"""The page and the table of an evaluation: its numbers as measures, its responses side by side."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from truing.config.run_folder import versions
from truing.core.messages import told
from truing.core.words import sentences, spoken, t
from truing.evals.bench import ScoredResponses, TaskResult
from truing.evals.gates import GateOutcome
from truing.evals.numbers import NumberFinding
from truing.evals.run import Evaluation
from truing.reports.recipe import recipe_command, recipe_text
from truing.reports.records import (
    GroupRow,
    GroupTable,
    Measure,
    Report,
    ResponseRow,
    ResponseTable,
)
from truing.stats.intervals import holm
from truing.stats.told import value_text, values_text


def evaluation_report(done: Evaluation) -> Report:
    """Return the report that the page of an evaluation shows."""
    recipe = done.recipe
    return Report(
        title=t("{model} against {against}", model=recipe.model, against=recipe.against)
        if recipe.against
        else recipe.model,
        created=datetime.now(UTC),
        command=recipe_command("eval"),
        notes=[*(told(note, spoken()) for note in done.notes), *_missed(done)],
        measures=measures_of(done),
        groups=list(_groups(done)),
        responses=[table for task, result in done.results.items() for table in _tables(task, result)],
        versions=versions(),
        config={"this evaluation": recipe_text(recipe)},
    )


def measures_of(done: Evaluation) -> list[Measure]:
    """Return every measured number, with its gate as its goal; p is corrected for all numbers (Holm)."""
    gates = {gate.name: gate for gate in done.gates}
    tested = {one.number.name: one.p for one in done.findings if one.p is not None}
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [
        measure_of(finding, gates.get(finding.number.name), task if result.scored else "", corrected)
        for task, result in done.results.items()
        for finding in result.findings
        if finding.policy.interval is not None
    ]


def measure_of(
    finding: NumberFinding,
    gate: GateOutcome | None,
    task: str = "",
    corrected: Mapping[str, float] = MappingProxyType({}),
) -> Measure:
    """Return a finding with a value as a row of the table, with its gate as its goal.

    `task` names the table of its responses where the page has one. `corrected` holds p by the names of
    numbers; the change of a number without a p is judged by its intervals.
    """
    number, policy = finding.number, finding.policy
    assert policy.interval is not None
    before = finding.against.interval if finding.against is not None else None
    better, goal = number.better, None
    if gate is not None:
        better = "higher" if gate.gate.above is not None else "lower"
        goal = gate.gate.above if gate.gate.above is not None else gate.gate.below
    return Measure(
        name=number.name,
        title=number.title,
        before=before,
        after=policy.interval,
        unit=number.unit,
        better=better,
        goal=goal,
        explains=_explained(finding, corrected),
        p=corrected.get(number.name),
        items=task,
    )


def _explained(finding: NumberFinding, corrected: Mapping[str, float]) -> str:
    """Explain the number, with its missing values and the p of its change."""
    number, policy = finding.number, finding.policy
    said = [told(number.explains, spoken())]
    if policy.missing:
        worst, best = (value_text(end, number.unit) for end in (policy.worst, policy.best))
        missing = "{n} answers could not be scored; they could make it {worst} to {best}."
        said.append(t(missing, n=policy.missing, worst=worst, best=best))
    if finding.p is not None and number.name in corrected:
        several = "p of no change: {p:.2g}, {adjusted:.2g} among {n} numbers."
        text = several if len(corrected) > 1 else "p of no change: {p:.2g}."
        said.append(t(text, p=finding.p, adjusted=corrected[number.name], n=len(corrected)))
    return sentences(said)


def _missed(done: Evaluation) -> Iterator[str]:
    """Return gates on numbers that could not be measured, which the table does not show."""
    for gate in done.gates:
        if gate.measured is None or gate.measured.interval is None:
            yield t("Gate missed: {gate}.", gate=gate)


def _groups(done: Evaluation) -> Iterator[GroupTable]:
    for finding in done.findings:
        if len(finding.groups) > 1:
            rows = [
                GroupRow(name, other.interval if other else None, policy.interval)
                for name, (policy, other) in finding.groups.items()
            ]
            yield GroupTable(finding.number.name, finding.number.title, finding.number.unit, rows)


def _tables(task: str, result: TaskResult) -> Iterator[ResponseTable]:
    for scored in result.scored:
        yield ResponseTable(task, list(_rows(scored)))


def _rows(scored: ScoredResponses) -> Iterator[ResponseRow]:
    responses = zip(*scored.responses, strict=True)
    marks = zip(*scored.marks, strict=True)
    for said, marked in zip(responses, marks, strict=True):
        question = said[0].question
        yield ResponseRow(
            prompt="\n\n".join(turn.content for turn in question.prompt),
            category=question.category or question.language,
            responses=[response.text for response in said],
            values=[values_text(mark.values, mark.note) for mark in marked],
            changed=any(mark.values != marked[0].values for mark in marked),
        )
