"""Evaluations compared response by response: changes beyond chance, and distributions of values.

A number that is a mean is compared through the values of its responses. Other numbers, such as a correlation,
are not paired.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np

from truing.core.messages import recognised
from truing.evals.notes import NOTES
from truing.evals.numbers import Values, p_of_change
from truing.reports.compare.read import EvaluationRecord, Key, ResponseLine, ResponsesByKey
from truing.reports.compare.records import Box, NumberChange, Spread
from truing.reports.records import ResponseRow, ResponseTable
from truing.stats.clusters import clustered_difference
from truing.stats.intervals import holm
from truing.stats.told import values_text
from truing.text.units import words

AGAINST = ("kl", "win_rate", "tax/perplexity")  # numbers that compare a model with another


def shared_responses(task: str, found: Sequence[EvaluationRecord]) -> list[dict[Key, ResponseLine]]:
    """Return each evaluation's responses to the questions of a task that all asked, in one order."""
    responses = [one.responses.get(task, {}) for one in found]
    common = reduce(lambda keys, more: keys & more.keys(), responses, set(responses[0]))
    return [{key: own[key] for key in responses[0] if key in common} for own in responses]


# Beyond chance


def changes(first: EvaluationRecord, second: EvaluationRecord) -> dict[str, NumberChange]:
    """Compare every number of both evaluations, second against first, with Holm over all tested numbers."""
    both = [name for name in first.results.numbers if name in second.results.numbers]
    found = {name: _change(name, first, second) for name in both}
    tested = {name: one.p for name, one in found.items() if one.p is not None}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    return {name: replace(one, adjusted=adjusted.get(name)) for name, one in found.items()}


def _change(name: str, first: EvaluationRecord, second: EvaluationRecord) -> NumberChange:
    before, after = (one.results.numbers[name] for one in (first, second))
    if why := differently(name, [first, second]):
        return NumberChange(said=why)
    was, now = before.model.interval, after.model.interval
    if was is None or now is None:
        return NumberChange(said="not measured")
    pairs = _pairs(before.task, before.mean_of, first, second) if before.mean_of else []
    if not pairs:
        apart = was.low > now.high or was.high < now.low
        said = "not paired; intervals apart" if apart else "not paired; intervals overlap"
        return NumberChange(now.estimate - was.estimate, better=after.better, said=said)
    gap = sum(a - b for b, a, _ in pairs) / len(pairs)
    befores, afters, questions = (list(side) for side in zip(*pairs, strict=True))
    if len(set(questions)) < 2:
        return NumberChange(gap, better=after.better, said="one question tells nothing")
    paired = clustered_difference(befores, afters, questions)
    p = p_of_change(Values(befores, questions), Values(afters, questions))
    said = "" if p is not None else "the same" if gap == 0 else "the same change everywhere"
    return NumberChange(gap, paired, p, better=after.better, said=said)


def differently(name: str, found: Sequence[EvaluationRecord]) -> str:
    """Say why a number has different meanings in the evaluations; empty where its meaning is the same."""
    task = found[0].results.numbers[name].task
    options = [one.results.recipe.get("tasks", {}).get(task) for one in found]
    if any(asked != options[0] for asked in options):
        return "measured differently"
    against = {one.results.against for one in found}
    is_held = name in AGAINST or task == "win_rate"
    return "held against different models" if is_held and len(against) > 1 else ""


def _pairs(
    task: str, name: str, first: EvaluationRecord, second: EvaluationRecord
) -> list[tuple[float, float, tuple[str, str]]]:
    """Return value before, value after and question of every response with a value in both evaluations."""
    before, after = shared_responses(task, [first, second])
    values = ((own.values.get(name), after[key].values.get(name), key[:2]) for key, own in before.items())
    return [(b, a, question) for b, a, question in values if b is not None and a is not None]


# Distributions


def spreads(found: Mapping[int, EvaluationRecord], runs: int) -> list[Spread]:
    """Return the spread of response lengths and of every value beyond right or wrong, on shared questions.

    `found` holds evaluations by the place of their run; `runs` counts all runs.
    """
    tasks = {task: by_run for task in _tasks(found) if (by_run := _shared(task, found))}
    lengths = {
        place: [len(words(response)) for response in _responses(place, tasks)]
        for place in {place for by_run in tasks.values() for place in by_run}
    }
    made = [_spread("Length of an answer, in words or Chinese characters", lengths, runs)] if lengths else []
    for task, by_run in tasks.items():
        names = {
            name: None for responses in by_run.values() for item in responses.values() for name in item.values
        }
        for name in names:
            values = {
                place: [value for item in responses.values() if (value := item.values.get(name)) is not None]
                for place, responses in by_run.items()
            }
            if any(value not in (0, 0.5, 1) for column in values.values() for value in column):
                made.append(_spread(name if name == task else f"{task}: {name}", values, runs))
    return made


def _tasks(found: Mapping[int, EvaluationRecord]) -> list[str]:
    return list({task: None for one in found.values() for task in one.responses})


def _shared(task: str, found: Mapping[int, EvaluationRecord]) -> dict[int, ResponsesByKey]:
    """Return, by run, the responses of a task to questions that at least two runs share."""
    holding = {place: one for place, one in found.items() if task in one.responses}
    if len(holding) < 2:
        return {}
    responses = shared_responses(task, list(holding.values()))
    return dict(zip(holding, responses, strict=True)) if responses[0] else {}


def _responses(place: int, tasks: Mapping[str, Mapping[int, ResponsesByKey]]) -> list[str]:
    """Return the responses of a run; a response that several tasks share counts once."""
    responses = (by_run.get(place, {}).values() for by_run in tasks.values())
    unique = {(item.text, item.k, item.response): item.response for part in responses for item in part}
    return list(unique.values())


def _spread(title: str, values: Mapping[int, Sequence[float]], runs: int) -> Spread:
    return Spread(title, [_box(values.get(place, ())) for place in range(runs)])


def _box(values: Sequence[float]) -> Box | None:
    if not values:
        return None
    low, first, median, third, high = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95]).tolist()
    return Box(low, first, median, third, high, len(values))


# Side by side


def response_tables(found: Mapping[int, EvaluationRecord], names: Sequence[str]) -> list[ResponseTable]:
    """Tabulate responses to the same questions, task by task. `found` is by the place of a run in `names`."""
    tables = []
    for task in _tasks(found):
        if by_run := _shared(task, found):
            rows = [_row(items) for items in zip(*(own.values() for own in by_run.values()), strict=True)]
            tables.append(ResponseTable(task, rows, [names[place] for place in by_run], list(by_run)))
    return tables


def _row(items: Sequence[ResponseLine]) -> ResponseRow:
    return ResponseRow(
        prompt=items[0].text,
        category=items[0].category or items[0].language,
        responses=[item.response for item in items],
        values=[values_text(item.values, recognised(item.note, NOTES)) for item in items],
        changed=any(item.values != items[0].values for item in items),
    )
