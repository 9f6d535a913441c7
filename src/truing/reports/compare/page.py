"""The page of several runs: the differences of their recipes, of their training and of their results.

    paths -> `read_subjects` -> Subjects -> `comparison_report` -> Report

To compare one thing more: a record in `reports/compare/records.py`, its part of `_comparison`, a section of
`templates/compare.html.j2`.
"""

import json
import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from datetime import UTC, datetime
from itertools import chain
from pathlib import PurePath
from typing import Any

from truing.core.words import sentences, t
from truing.reports.charts import PANELS
from truing.reports.compare.items import changes, differently, response_tables, spreads
from truing.reports.compare.read import EvaluationRecord, Found, FoundNumber, Subject
from truing.reports.compare.records import (
    Cell,
    DifferenceTable,
    Frontier,
    LastValues,
    NumberRow,
    PartTable,
    Point,
    RunComparison,
    RunLine,
)
from truing.reports.curves import end, read_series
from truing.reports.records import Report
from truing.reports.run import NOT_RECIPE, RunRecord

ABSENT = "(not set)"
ASIDE = ("output", "page_language")  # keys without an effect on the results
DIGITS = 12  # of a sha256
DRAWN = ("samples", "temperature", "template")  # keys of an evaluation that all of its responses hang on
NAMED = 3  # keys that the headline names
ROW_COUNTS = {
    "read": "rows read",
    "made": "rows made of others",
    "kept": "rows kept",
    "train": "rows trained on",
    "held_out": "rows held out",
    "in_evaluation": "rows in the evaluation too",
}
VERDICTS = ("better", "worse", "changed")  # that the headline counts


def comparison_report(subjects: Sequence[Subject]) -> Report:
    """Read two or more folders and return the report that their page shows."""
    names = [one.name for one in subjects]
    found = {place: one.evaluation for place, one in enumerate(subjects) if one.evaluation is not None}
    tables = response_tables(found, names)
    comparison = _comparison(subjects, found if len(found) > 1 else {}, {table.task for table in tables})
    return Report(
        title=t("{runs} and {last} compared", runs=", ".join(names[:-1]), last=names[-1]),
        created=datetime.now(UTC),
        command=f"truing report {shlex.join(str(one.path) for one in subjects)}",
        summary=_summary(names, comparison),
        comparison=comparison,
        responses=tables,
    )


def _comparison(
    subjects: Sequence[Subject], found: Mapping[int, EvaluationRecord], shown: Set[str]
) -> RunComparison:
    """Return the whole comparison but its responses; `shown` are the tasks whose responses the page has."""
    runs = {place: one.run for place, one in enumerate(subjects) if one.run is not None}
    metrics = [one.run.metrics if one.run is not None else [] for one in subjects] if len(runs) > 1 else []
    return RunComparison(
        runs=[RunLine(one.name, str(one.path), one.trained, one.evaluated) for one in subjects],
        differences=differences(runs, found),
        metrics=metrics,
        ends=_ends(runs) if len(runs) > 1 else None,
        frontier=frontier(runs, len(subjects)),
        evaluated=list(found),
        numbers=_numbers(list(found.values()), shown),
        parts=_parts(list(found.values())),
        spreads=spreads(found, len(subjects)),
        notes=_notes(list(found.values())),
    )


def _summary(names: Sequence[str], comparison: RunComparison) -> str:
    """Sum up the page in one or two sentences with numbers."""
    said = []
    if tested := comparison.tested:
        verdicts = Counter(change.verdict for change in tested)
        first, second = (names[place] for place in comparison.evaluated)
        found = [t("{n} {verdict}", n=verdicts[word], verdict=t(word)) for word in VERDICTS if verdicts[word]]
        several = "{second} against {first}: of {n} numbers tested, {found} beyond chance."
        one = "{second} against {first}: of {n} number tested, {found} beyond chance."
        clear = t(" and ").join(found) if found else t("none different")
        said.append(
            t(several if len(tested) != 1 else one, second=second, first=first, n=len(tested), found=clear)
        )
    elif comparison.numbers:
        numbers = len(comparison.numbers)
        text = (
            "{n} evaluations of {numbers} numbers."
            if numbers != 1
            else "{n} evaluations of {numbers} number."
        )
        said.append(t(text, n=len(comparison.evaluated), numbers=numbers))
    if comparison.differences and comparison.metrics:
        said.append(_recipes_differ(list(comparison.differences[0].rows)))
    return sentences(said)


def _recipes_differ(keys: Sequence[str]) -> str:
    if not keys:
        return t("Their recipes differ in 0 keys.")
    named = ", ".join(keys[:NAMED])
    if keys[NAMED:]:
        named = t("{keys} and {n} more", keys=named, n=len(keys) - NAMED)
    several = "Their recipes differ in {n} keys: {keys}."
    return t(
        several if len(keys) > 1 else "Their recipes differ in {n} key: {keys}.", n=len(keys), keys=named
    )


# What differs


def differences(
    runs: Mapping[int, RunRecord], found: Mapping[int, EvaluationRecord]
) -> list[DifferenceTable]:
    """Return tables of recipes, data and versions that two runs or more have, also where nothing differs."""
    evaluations = {place: one.results for place, one in found.items()}
    tables = [
        _recipes({place: run.asked for place, run in runs.items()}),
        _table("Data", {place: _data(run) for place, run in runs.items()}),
        _table("Versions in training", {place: run.config["versions"] for place, run in runs.items()}),
        _table("Evaluation", {place: flat(one.recipe) for place, one in evaluations.items()}),
        _table("Versions in evaluation", {place: one.versions for place, one in evaluations.items()}),
    ]
    return [table for table in tables if len(table.columns) > 1]


def _recipes(asked: Mapping[int, Mapping[str, Any]]) -> DifferenceTable:
    """Return keys of recipes, and the values that runs chose for open keys."""
    recipes = {
        place: flat({key: value for key, value in recipe.items() if key not in NOT_RECIPE})
        | flat(recipe["resolved"], "resolved.")
        for place, recipe in asked.items()
    }
    table = _table("Training recipe", recipes)
    said = {(_last(key), *values) for key, values in table.rows.items() if not key.startswith("resolved.")}
    rows = {
        key: values
        for key, values in table.rows.items()
        if not key.startswith("resolved.") or (_last(key), *values) not in said
    }
    return DifferenceTable(table.title, table.columns, rows, table.same)


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _data(run: RunRecord) -> dict[str, str]:
    """Return the digest of every input file by its name, and the counts of the rows: kept, set aside, cut."""
    inputs: Mapping[str, str] = run.asked["inputs"]
    names = Counter(PurePath(path).name for path in inputs)
    found = {
        (PurePath(path).name if names[PurePath(path).name] == 1 else path): f"sha256 {digest[:DIGITS]}"
        for path, digest in inputs.items()
    }
    rows = run.rows or {}
    found |= {t(title): f"{rows[name]:,}" for name, title in ROW_COUNTS.items() if name in rows}
    aside, cut = rows.get("set_aside", {}), rows.get("cut", {})
    found |= {t("rows set aside, {why}", why=why): f"{count:,}" for why, count in aside.items()}
    return found | {t("rows cut, {why}", why=why): f"{count:,}" for why, count in cut.items()}


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return values by dotted key as text: text as it is, everything else as JSON."""
    found: dict[str, str] = {}
    for name, value in tree.items():
        if f"{prefix}{name}" in ASIDE:
            continue
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            found[f"{prefix}{name}"] = text
    return found


def _table(title: str, columns: Mapping[int, Mapping[str, str]]) -> DifferenceTable:
    heads = dict.fromkeys(key.partition(".")[0] for column in columns.values() for key in column)
    sections = {head: place for place, head in enumerate(heads)}
    keys = sorted(
        dict.fromkeys(chain.from_iterable(columns.values())),
        key=lambda key: sections[key.partition(".")[0]],
    )
    values = {key: [column.get(key, t(ABSENT)) for column in columns.values()] for key in keys}
    rows = {key: row for key, row in values.items() if len(set(row)) > 1}
    return DifferenceTable(title, list(columns), rows, len(values) - len(rows))


# Training


def _ends(runs: Mapping[int, RunRecord]) -> LastValues:
    """Return the last value of every metric of a panel."""
    names = dict.fromkeys(name for panel in PANELS for name in panel.metrics)
    rows = {
        name: [end(name, read_series(run.metrics, name).values) for run in runs.values()] for name in names
    }
    return LastValues(
        list(runs), {name: row for name, row in rows.items() if any(value is not None for value in row)}
    )


def frontier(runs: Mapping[int, RunRecord], count: int) -> Frontier | None:
    """Return KL and reward of every run that logs both, by place among `count` runs; None for fewer than two.

    The reward is of held-out prompts where every such run logs it at two steps or more.
    """
    both = {place: run for place, run in runs.items() if _path(run, "reward")}
    if len(both) < 2:
        return None
    held_out = all(len(_path(run, "eval/reward")) > 1 for run in both.values())
    name = "eval/reward" if held_out else "reward"
    paths = [_path(both[place], name) if place in both else [] for place in range(count)]
    rewards = [run.asked["rewards"] for run in both.values()]
    return Frontier(held_out, all(one == rewards[0] for one in rewards), paths)


def _path(run: RunRecord, reward: str) -> list[Point]:
    points = [
        Point(int(row["step"]), row["kl"], row[reward])
        for row in run.metrics
        if row.get("kl") is not None and row.get(reward) is not None
    ]
    return [point for point in points if math.isfinite(point.kl) and math.isfinite(point.reward)]


# Evaluations


def _numbers(found: Sequence[EvaluationRecord], shown: Set[str]) -> list[NumberRow]:
    """Return a row for every measured number, with its change where there are two evaluations."""
    moved = changes(*found) if len(found) == 2 else {}
    rows = []
    for name, first in _known(found).items():
        cells = [_cell(one.results.numbers.get(name)) for one in found]
        items = first.task if first.task in shown else ""
        rows.append(NumberRow(name, first.title, first.unit, cells, moved.get(name), items))
    return rows


def _known(found: Sequence[EvaluationRecord]) -> dict[str, FoundNumber]:
    known: dict[str, FoundNumber] = {}
    for one in found:
        known = {**one.results.numbers, **known}
    return {name: known[name] for one in found for name in one.results.numbers}


def _cell(number: FoundNumber | None) -> Cell | None:
    return None if number is None else Cell(number.model.interval, number.model.missing)


def _parts(found: Sequence[EvaluationRecord]) -> list[PartTable]:
    """Return numbers by group, where at least two evaluations have more than one group."""
    tables = []
    for name, first in _known(found).items():
        groups = [_groups(one, name) for one in found]
        if sum(len(one) > 1 for one in groups) < 2:
            continue
        rows = {
            group: [one[group].interval if group in one else None for one in groups]
            for group in dict.fromkeys(chain.from_iterable(groups))
        }
        tables.append(PartTable(first.title, first.unit, rows))
    return tables


def _groups(evaluation: EvaluationRecord, name: str) -> dict[str, Found]:
    number = evaluation.results.numbers.get(name)
    return {} if number is None else {group: part.model for group, part in number.groups.items()}


def _notes(found: Sequence[EvaluationRecord]) -> list[str]:
    """Return notes on numbers of the page that must not be compared."""
    why = {
        name: reason
        for name in _known(found)
        if (reason := differently(name, [one for one in found if name in one.results.numbers]))
    }
    notes = [
        t(
            "Not to be held against each other, because they were {reason}: {names}.",
            reason=t(reason),
            names=", ".join(name for name, own in why.items() if own == reason),
        )
        for reason in dict.fromkeys(why.values())
    ]
    if keys := [key for key in DRAWN if any(_asked(one, key) != _asked(found[0], key) for one in found)]:
        notes.append(t("The answers were drawn in different ways: see {keys} above.", keys=", ".join(keys)))
    return notes


def _asked(evaluation: EvaluationRecord, key: str) -> object:
    return evaluation.results.recipe.get(key)
