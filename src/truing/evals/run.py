"""One evaluation from its recipe: run its tasks in order, judge its gates, write the results.

results.json   every number with its interval, what was missing, gates, versions, seconds
items.jsonl    every response of every side with its values: what the numbers are made of
report.html    the same for people
"""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from truing.config.evaluation import ITEMS, RESULTS, EvalRecipe
from truing.config.run_folder import versions
from truing.core.errors import GateError, RewardError
from truing.core.files import write_atomic
from truing.core.messages import Say, joined, message
from truing.data.convert import write_jsonl
from truing.evals.bench import Bench, TaskResult, TaskWatch
from truing.evals.drawing import Drawers, follow
from truing.evals.gates import GateOutcome, judge_gates
from truing.evals.kept import KeptResponses
from truing.evals.numbers import NumberFinding
from truing.evals.sides import Side
from truing.evals.tasks.table import build_tasks
from truing.judges.cache import AnswerCache
from truing.models.contents import contents_of_source, weights_hash
from truing.models.trained import Trained
from truing.models.world import World
from truing.sampling.speaker import Speaker, shared_speaker
from truing.stats.clusters import Measured


@dataclass(frozen=True)
class Evaluation:
    """The results of an evaluation recipe."""

    recipe: EvalRecipe
    results: dict[str, TaskResult]  # by task
    gates: list[GateOutcome]
    seconds: dict[str, float]  # by task
    unfinished: tuple[str, ...] = ()  # tasks that have not been run, or not to their end

    @property
    def findings(self) -> list[NumberFinding]:
        return [finding for result in self.results.values() for finding in result.findings]

    @property
    def notes(self) -> list[str]:
        void = [message("Void: {task}: {why}.", task=task, why=why) for task, why in self.void.items()]
        return [*void, *(note for result in self.results.values() for note in result.notes)]

    @property
    def void(self) -> dict[str, str]:
        """The reason of each task whose result is void, by task."""
        return {task: result.void for task, result in self.results.items() if result.void}


def evaluate(
    recipe: EvalRecipe,
    say: Say,
    watch: TaskWatch,
    keep: Callable[[Evaluation], None] = lambda part: None,
    opened: Mapping[str, Trained] = MappingProxyType({}),
    answers: AnswerCache | None = None,
    here: World | None = None,
) -> Evaluation:
    """Run all tasks; `keep` is called after each task with the results so far, before gates are judged.

    `opened` holds models that are in memory already, by their name in the recipe. The models' responses go
    to `answers`, and an evaluation that was killed takes them from there. All ranks of `here` draw, and this
    one does the rest. Raises ConfigError before any model is asked, and the errors of the tasks.
    """
    tasks = build_tasks(recipe)
    model, *held = (
        _side(source, recipe.template, opened.get(source), answers, Drawers(here or World(), place))
        for place, source in enumerate(_sources(recipe))
    )
    against = held[0] if held else None
    how = {"samples": recipe.samples, "temperature": recipe.temperature, "seed": recipe.seed}
    bench = Bench(model, against, **how, watch=watch, folder=Path(recipe.output))
    results: dict[str, TaskResult] = {}
    seconds: dict[str, float] = {}
    for name, task in tasks.items():
        start = time.perf_counter()
        titles = joined(", ", [message(number.title) for number in task.numbers])
        say(message("{task}: {numbers}", task=name, numbers=titles))
        results[name] = _with_refusals(task.run(bench), bench, say)
        seconds[name] = round(time.perf_counter() - start, 1)
        keep(Evaluation(recipe, results, [], seconds, tuple(tasks)[len(results) :]))
    findings = [finding for result in results.values() for finding in result.findings]
    return Evaluation(recipe, results, judge_gates(recipe.gates, findings), seconds)


def follow_evaluation(recipe: EvalRecipe, here: World) -> None:
    """Draw what rank 0 asks for in its evaluation of a recipe, until that has ended."""
    follow(here, [partial(_speaker, source, recipe.template, None) for source in _sources(recipe)])


def _sources(recipe: EvalRecipe) -> list[str]:
    return [source for source in (recipe.model, recipe.against) if source]


def _with_refusals(result: TaskResult, bench: Bench, say: Say) -> TaskResult:
    """Return the result with a note on the questions that could not be asked."""
    if not bench.refused:
        return result
    name, words = next(iter(bench.refused.items()))
    said = "{n} questions were not asked: the chat template cannot write them; {name}: {words}"
    note = message(said, n=len(bench.refused), name=name, words=words)
    bench.refused.clear()
    say(note)
    return replace(result, notes=[*result.notes, note])


def _speaker(source: str, template: str, opened: Trained | None) -> Speaker:
    return shared_speaker(source, opened, None if template == "auto" else template)


def _side(
    source: str, template: str, opened: Trained | None, answers: AnswerCache | None, drawers: Drawers
) -> Side:
    speaker = partial(_speaker, source, template, opened)
    if answers is None:
        return Side(source, speaker, drawers=drawers)
    contents = {"weights": weights_hash(opened.model)} if opened else contents_of_source(source)
    of = {"model": contents, "template": template, "versions": versions()}
    return Side(source, speaker, KeptResponses(answers, of), drawers)


def write_evaluation(done: Evaluation, folder: Path) -> None:
    """Write `results.json` and `items.jsonl`; each file is the old one or the whole new one."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / RESULTS, json.dumps(as_json(done), indent=2, ensure_ascii=False) + "\n")
    write_jsonl(folder / ITEMS, item_rows(done))


def as_json(done: Evaluation) -> dict[str, Any]:
    """Return all numbers for scripts; a number that is not finite is null."""
    return {
        "model": done.recipe.model,
        "against": done.recipe.against,
        "numbers": {
            finding.number.name: _finding_json(task, finding)
            for task, result in done.results.items()
            for finding in result.findings
        },
        "gates": [gate.as_json() for gate in done.gates],
        "passed": not done.unfinished and not done.void and all(gate.met for gate in done.gates),
        "void": done.void,
        "unfinished": list(done.unfinished),
        "notes": done.notes,
        "seconds": done.seconds,
        "recipe": done.recipe.recorded(),
        "versions": versions(),
    }


def _finding_json(task: str, finding: NumberFinding) -> dict[str, Any]:
    change = finding.change
    return {
        "task": task,
        "mean_of": finding.mean_of or None,
        "title": finding.number.title,
        "unit": finding.number.unit,
        "better": finding.number.better,
        "model": _measured_json(finding.policy),
        "against": _measured_json(finding.against) if finding.against else None,
        "change": None if change is None else [change.estimate, change.low, change.high],
        "p": finding.p,
        "groups": {
            name: {"model": _measured_json(model), "against": _measured_json(other) if other else None}
            for name, (model, other) in finding.groups.items()
        },
    }


def _measured_json(measured: Measured) -> dict[str, Any]:
    interval = measured.interval
    return {
        "value": None if interval is None else interval.estimate,
        "low": None if interval is None else _finite(interval.low),
        "high": None if interval is None else _finite(interval.high),
        "n": 0 if interval is None else interval.n,
        "missing": measured.missing,
        "worst": _finite(measured.worst),
        "best": _finite(measured.best),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def item_rows(done: Evaluation) -> Iterator[dict[str, Any]]:
    """Yield a row for every response with its values."""
    for task, result in done.results.items():
        for scored in result.scored:
            for side, responses, marks in zip(
                ("model", "against"), scored.responses, scored.marks, strict=False
            ):
                for response, mark in zip(responses, marks, strict=True):
                    question = response.question
                    yield {
                        "task": task,
                        "side": side,
                        "id": question.id,
                        "k": response.k,
                        "category": question.category,
                        "language": question.language,
                        "prompt": [turn.as_dict() for turn in question.prompt],
                        "response": response.text,
                        "finish": response.sample.finish.value,
                        "values": dict(mark.values),
                        "note": mark.note,
                    }


def require_passed(done: Evaluation) -> None:
    """Raise RewardError for a void result, and GateError, which names the gates, for missed gates."""
    if done.void:
        raise RewardError(
            joined(
                "\n",
                [message("{task} is void: {why}", task=task, why=why) for task, why in done.void.items()],
            ),
            hint=message(
                "mend the judge and run the same command: what it has answered is kept; or raise max_errors"
            ),
        )
    missed = [gate for gate in done.gates if not gate.met]
    if missed:
        raise GateError(
            "\n".join(str(gate) for gate in missed),
            hint=message("the report shows the answers behind each number; more prompts narrow an interval"),
        )
