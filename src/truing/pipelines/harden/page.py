"""The page of a hardening: the result against the start, all rounds with their controls, and the curve."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from truing.config.run_folder import versions
from truing.core.files import read_jsonl
from truing.core.messages import told
from truing.core.words import spoken, t
from truing.pipelines.harden.gates import EXPLAINS
from truing.pipelines.harden.measuring import KNOWN, NEW, NUMBERS, ModelMeasured
from truing.pipelines.harden.rounds import FAILED, RANDOM
from truing.pipelines.harden.run import VERB, Hardened, HardenRound
from truing.reports.charts import OVER_ROUNDS
from truing.reports.heat import HeatCell, HeatColumn, HeatRow, HeatTable, tone_of
from truing.reports.recipe import recipe_command, recipe_text
from truing.reports.records import (
    DataCount,
    MadePart,
    MadeRow,
    MadeTable,
    Measure,
    Report,
    StageRecord,
)
from truing.stats.intervals import Interval
from truing.stats.told import interval_text, value_text

SHOWN = 12  # failures of a round that the page shows


def hardening_report(done: Hardened) -> Report:
    """Return the report that the page shows."""
    return Report(
        title=t("Hardening of {model}", model=done.recipe.harden.policy),
        created=datetime.now(UTC),
        command=recipe_command("run"),
        summary=_summary(done),
        notes=list(_notes(done)),
        measures=measures_of_result(done),
        heat=[_table(done)] if done.rounds else [],
        stages=[_curve(done)] if done.rounds else [],
        made=[_failures(done)] if done.rounds else [],
        data=list(_data(done)),
        versions=versions(),
        config={t("this hardening"): recipe_text(done.recipe)},
    )


def measures_of_result(done: Hardened) -> list[Measure]:
    """Return the numbers of the resulting model against the start; those of the last round where none is."""
    shown = done.chosen or (done.rounds[-1] if done.rounds else None)
    if shown is None:
        return []
    gates = shown.arms[FAILED].gates
    return [replace(gate.measure, explains=t(EXPLAINS[gate.measure.name])) for gate in gates]


def _summary(done: Hardened) -> str:
    ended = t("{sentence}.", sentence=told(done.ended, spoken()).capitalize())
    if not done.rounds:
        return ended
    if done.chosen is None:
        return t("No round kept its safety gates, so that there is no result. {ended}", ended=ended)
    found = {gate.measure.name: gate.measure for gate in done.chosen.arms[FAILED].gates}
    parts = [
        t(
            "{title} from {before} to {after}",
            title=t(OVER_ROUNDS[name]),
            before=value_text(found[name].before.estimate, "%"),  # pyright: ignore - a gate has a start
            after=value_text(found[name].after.estimate, "%"),
        )
        for name in (KNOWN, NEW)
        if name in found
    ]
    said = "The result is round {n}: {changes}. {ended}"
    return t(said, n=done.chosen.number, changes=t("; ").join(parts), ended=ended)


def _notes(done: Hardened) -> Iterator[str]:
    yield told(done.plan.told(), spoken())
    for one in done.rounds:
        if one.change is not None:
            said = (
                "Round {n} changed attack success by {change} ({range}), paired over prompts and attacks; "
                "{failed} of {attacked} training prompts succeeded, {also} of them among the random rows."
            )
            yield t(
                said,
                n=one.number,
                change=_points(one.change.estimate),
                range=_range(one.change),
                failed=one.attacked["failed"],
                attacked=one.attacked["attacked"],
                also=one.attacked["failed among random"],
            )
        if one.beyond is not None:
            said = "Against its random control round {n} has {change} of attack success ({range})."
            yield t(said, n=one.number, change=_points(one.beyond.estimate), range=_range(one.beyond))
        crossed = [
            t(OVER_ROUNDS[gate.measure.name])
            for gate in one.arms[FAILED].gates
            if gate.safety and not gate.holds
        ]
        if crossed:
            yield t("Round {n} crossed a safety gate: {names}.", n=one.number, names=t(", ").join(crossed))


def _points(share: float) -> str:
    return t("{n} points", n=f"{100 * share:+.1f}")


def _range(interval: Interval) -> str:
    return t("{low} to {high}", low=_points(interval.low), high=_points(interval.high))


# All rounds


def _models(done: Hardened) -> Iterator[tuple[str, str, ModelMeasured, HardenRound | None]]:
    yield "start", t("start"), done.start, None
    for one in done.rounds:
        for arm, own in one.arms.items():
            title = "round {n}" if arm == FAILED else "round {n}, random control"
            yield f"round-{one.number}/{arm}", t(title, n=one.number), own.measured, one


def _table(done: Hardened) -> HeatTable:
    explains = (
        "Every model with its 95 % interval. Attack success is corrected for the errors of the rules where "
        "these leave it determined; the line below it is as measured. The random control learns from as many "
        "rows of the same prompts, whatever the model answered to them."
    )
    rows = [
        HeatRow(title, [_cell(done, name, number, measured) for number in NUMBERS])
        for name, title, measured, _ in _models(done)
    ]
    return HeatTable(t("All rounds"), t(explains), [HeatColumn(t(OVER_ROUNDS[one])) for one in NUMBERS], rows)


def _cell(done: Hardened, name: str, number: str, measured: ModelMeasured) -> HeatCell | None:
    raw = measured.rate(number)
    if raw is None:
        return None
    exact = done.success.get((name, number))
    shown = exact or raw
    notes = [interval_text(shown, "%")]
    if exact is not None:
        notes.append(t("as measured: {value}", value=value_text(raw.estimate, "%")))
    tone = tone_of(1 - shown.estimate if number == "helpfulness" else shown.estimate)
    return HeatCell(value_text(shown.estimate, "%"), notes, tone)


def _curve(done: Hardened) -> StageRecord:
    """Return the numbers over the rounds as metrics of a stage, from round 0, the start."""

    def rate(name: str, number: str, measured: ModelMeasured) -> float | None:
        found: Interval | None = done.success.get((name, number)) or measured.rate(number)
        return None if found is None else found.estimate

    rows: dict[int, dict[str, float | int | None]] = {0: {"step": 0}}
    for name, _, measured, one in _models(done):
        arms = (FAILED, RANDOM) if one is None else (name.rpartition("/")[2],)
        row = rows.setdefault(0 if one is None else one.number, {"step": 0 if one is None else one.number})
        for number in NUMBERS:
            row |= {f"{number}/{arm}": rate(name, number, measured) for arm in arms}
    seconds = sum(done.seconds.values())
    return StageRecord(t("Rounds"), VERB, seconds, len(done.rounds), list(rows.values()))


def _failures(done: Hardened) -> MadeTable:
    rows: list[MadeRow] = []
    for one in done.rounds:
        for row in read_jsonl(done.path / f"round-{one.number}" / f"{FAILED}.jsonl")[:SHOWN]:
            over = f"{t('round {n}', n=one.number)} · {row['category']} · {row['attack']}"
            rows.append(MadeRow(row["prompt"], over, [MadePart(t("answer"), row["response"])]))
    return MadeTable(
        t("Failures that a round learnt from"), t("Some of each round; failures.jsonl has all of them."), rows
    )


def _data(done: Hardened) -> Iterator[DataCount]:
    for one in done.rounds:
        attacked, failed = one.attacked["attacked"], one.attacked["failed"]
        title = t("attacks of round {n}", n=one.number)
        yield DataCount(title, attacked, failed, attacked - failed, t("without success"))
