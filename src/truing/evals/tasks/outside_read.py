"""Results of lm-eval and inspect-ai for one model, read into one shape.

    lm-eval      results_DATE.json with samples_TASK_DATE.jsonl beside it: --output_path, --log_samples
    inspect-ai   one JSON log a task: --log-format json

Where the number of a task is the mean over its samples, the samples are kept, so that two models can be
compared sample by sample. A number of another kind is taken as stated, with its standard error. A sample
that failed has the value None.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from truing.core.errors import DataError
from truing.core.messages import message
from truing.core.records import ROLES, Message, user
from truing.evals.notes import EXPECTED
from truing.evals.numbers import Better

Json = Mapping[str, Any]
NOTE_LENGTH = 200  # characters
MADE_BY = "{tool} {version} of {model}"


@dataclass(frozen=True, slots=True)
class BenchmarkRow:
    """One sample of a benchmark: the prompt, the response and its value."""

    question: str  # unique within the number; shared by its repetitions
    value: float | None
    prompt: tuple[Message, ...]
    response: str
    k: int = 0  # which repetition, from 0
    category: str = ""
    note: str = ""
    cut: bool = False  # whether the response ended because no more tokens were allowed
    content: str = ""  # distinguishes two questions of one name


@dataclass(frozen=True, slots=True)
class Stated:
    """The number of one task for one model."""

    metric: str
    value: float
    error: float | None  # standard error, as stated
    n: int  # samples with a value; 0 where all failed
    missing: int = 0
    better: Better = "higher"
    rows: Sequence[BenchmarkRow] = ()  # empty where the number is not the rows' mean, or without written rows


@dataclass(frozen=True)
class Told:
    """The numbers that were found for the tasks in question."""

    made_by: str  # for readers: the tool, its version, its name of the model
    tasks: Mapping[str, Stated]
    known: Sequence[str] = field(default=())  # all tasks with a number


# lm-eval

PREFERRED = ("acc_norm", "acc", "exact_match")
LM_EVAL_FILE = re.compile(r"(?:.*_)?(\d{4}-\d\d-\d\dT[\d.-]+)\.json")


def read_lm_eval(path: Path, names: Sequence[str]) -> Told:
    """Read the tasks and groups `names` of a results file, or of the newest results file below a folder.

    A task's number is `acc_norm`, else `acc`, else `exact_match`, else the first; a group's number is the one
    over all its tasks. Raises DataError for a file that is not a results file.
    """
    file = _newest_results(path) if path.is_dir() else path
    content = _object(file)
    results = content.get("results")
    if not isinstance(results, dict):
        raise DataError(
            message("{file} has no results of lm-eval", file=file),
            hint=message("give results_….json of its --output_path"),
        )
    keys = {name: key for name, metrics in results.items() if (key := _main_metric(metrics))}
    tasks = {name: _of_lm_eval(name, keys[name], content, file) for name in names if name in keys}
    version, model = content.get("lm_eval_version", ""), content.get("model_name") or message("a model")
    return Told(message(MADE_BY, tool="lm-eval", version=version, model=model), tasks, list(keys))


def _newest_results(folder: Path) -> Path:
    found = [file for file in folder.rglob("*.json") if LM_EVAL_FILE.fullmatch(file.name)]
    if not found:
        raise DataError(
            message("{folder} has no results_….json", folder=folder),
            hint=message("give the folder of lm-eval's --output_path"),
        )
    return max(found, key=lambda file: _date(file))


def _date(file: Path) -> str:
    """Return the date in the name of a results file; the files of its samples have the same date."""
    match = LM_EVAL_FILE.fullmatch(file.name)
    return match[1] if match else ""


def _main_metric(metrics: Json) -> str | None:
    """Return the key of a task's number, `metric,filter`; None for a mere list of tasks."""
    keys = [
        key
        for key, value in metrics.items()
        if "," in key and "_stderr," not in key and isinstance(value, int | float)
    ]
    preferred = (key for name in PREFERRED for key in keys if key.partition(",")[0] == name)
    return next(preferred, keys[0] if keys else None)


def _of_lm_eval(name: str, key: str, content: Json, file: Path) -> Stated:
    metric, _, filtered = key.partition(",")
    metrics = content["results"][name]
    error = metrics.get(f"{metric}_stderr,{filtered}")
    higher = content.get("higher_is_better", {}).get(name, {}).get(metric)
    leaves = _leaves(name, content.get("group_subtasks", {}))
    samples = content.get("n-samples", {})
    n = sum(int(samples.get(leaf, {}).get("effective", 0)) for leaf in leaves)
    rows: list[BenchmarkRow] = []
    for leaf in leaves:
        for sample in _lines(file.parent / f"samples_{leaf}_{_date(file)}.jsonl"):
            if sample.get("filter", "none") == filtered and metric in sample:
                rows.append(_lm_eval_row(sample, metric, name, leaf))
    return _stated(
        metric,
        float(metrics[key]),
        float(error) if isinstance(error, int | float) else None,
        n or 1,
        better="lower" if higher is False else "higher",
        rows=rows,
    )


def _leaves(name: str, groups: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the tasks of a group; for a task, the task alone."""
    below = groups.get(name, [])
    return [leaf for child in below for leaf in _leaves(child, groups)] if below else [name]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read the objects of a JSON-lines file; empty where the file does not exist."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield json.loads(line)
            except ValueError as error:
                said = "{path}:{number} is not a line of JSON: {why}"
                raise DataError(message(said, path=path, number=number, why=error)) from error


def _lm_eval_row(sample: Json, metric: str, name: str, leaf: str) -> BenchmarkRow:
    place = f"{name}/{sample['doc_id']}" if leaf == name else f"{name}/{leaf}/{sample['doc_id']}"
    requests = [list(one.values()) for one in sample["arguments"].values()]
    response, target = _said(requests, sample["resps"]), str(sample["target"])
    if len(requests) > 1 and target.isdigit() and int(target) < len(requests):
        target = str(requests[int(target)][1]).strip()
    return BenchmarkRow(
        place,
        _finite(sample[metric]),
        user(str(requests[0][0])),
        response,
        category="" if leaf == name else leaf,
        note=message(EXPECTED, answer=target[:NOTE_LENGTH]),
        content=sample.get("doc_hash", ""),
    )


def _said(requests: Sequence[Sequence[Any]], responses: Sequence[Any]) -> str:
    """Return the generated text; for a choice of continuations, the likeliest."""
    first = [repeats[0] if isinstance(repeats, list) and repeats else repeats for repeats in responses]
    if all(isinstance(one, list) and len(one) == 2 for one in first):  # [log-probability, is it greedy]
        likeliest = max(range(len(first)), key=lambda place: float(first[place][0]))
        return str(requests[likeliest][1]).strip()
    return str(first[0])


# inspect-ai

MEANS = ("accuracy", "mean")  # metrics that are the mean over samples
GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}


def read_inspect(path: Path, names: Sequence[str]) -> Told:
    """Read the tasks `names` of a JSON log, or of the newest log of each task below a folder.

    A task's number is the headline metric of its log. Raises DataError for a file that is not a finished log.
    """
    logs = _inspect_logs(path)
    tasks = {name: _of_inspect(name, *logs[name]) for name in names if name in logs}
    _, newest = max(logs.values(), key=lambda one: one[1]["eval"].get("created", ""))
    version = newest["eval"].get("packages", {}).get("inspect_ai", "")
    model = newest["eval"].get("model") or message("a model")
    return Told(message(MADE_BY, tool="inspect-ai", version=version, model=model), tasks, list(logs))


def _inspect_logs(path: Path) -> dict[str, tuple[Path, Json]]:
    """Find the newest log of each task, with its file."""
    files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    hint = message("run inspect with --log-format json, or `inspect log convert --to json`")
    if path.suffix == ".eval":
        raise DataError(message("{path} is a binary log", path=path), hint=hint)
    logs: dict[str, tuple[Path, Json]] = {}
    for file in files:
        log = _object(file)
        if not isinstance(log.get("eval"), dict) or "status" not in log:
            continue  # beside logs a folder may hold an index of them
        name = str(log["eval"]["task"]).rpartition("/")[2]
        if name not in logs or log["eval"].get("created", "") > logs[name][1]["eval"].get("created", ""):
            logs[name] = (file, log)
    if not logs:
        raise DataError(message("{path} has no JSON log of inspect-ai", path=path), hint=hint)
    return logs


def _of_inspect(name: str, file: Path, log: Json) -> Stated:
    if log["status"] != "success" or not (log.get("results") or {}).get("scores"):
        why = (log.get("error") or {}).get("message", "")
        status = f"{log['status']} ({why})" if why else log["status"]
        said = "{file}: the status of {name} is {status}, without a score"
        raise DataError(
            message(said, file=file, name=name, status=status),
            hint=message("run it again; `inspect eval-retry` goes on with what is there"),
        )
    results = log["results"]
    score, metric = _headline(results)
    metrics = score["metrics"]
    is_mean = metric.rpartition("/")[2] in MEANS and score.get("reducer") in (None, "mean")
    samples = (log.get("samples") or []) if is_mean else []
    completed = int(results.get("completed_samples") or 0)
    error = metrics.get("stderr", {}).get("value") if is_mean else None
    scored = score.get("scored_samples")
    return _stated(
        metric,
        float(metrics[metric]["value"]),
        None if error is None else float(error),
        completed if scored is None else int(scored),
        missing=max(0, int(results.get("total_samples") or 0) - completed),
        rows=[_inspect_row(sample, score, name) for sample in samples],
    )


def _headline(results: Json) -> tuple[Json, str]:
    """Return the score that stands for the whole log, and the name of its metric."""
    wanted = {key: value for key, value in (results.get("headline") or {}).items() if value is not None}
    metric = wanted.pop("metric", None)
    if "score" in wanted:
        wanted["name"] = wanted.pop("score")
    scores = [
        score
        for score in results["scores"]
        if all(score.get(key) == value for key, value in wanted.items())
        and (metric is None or metric in score["metrics"])
    ]
    score = (scores or results["scores"])[0]
    if metric in score["metrics"]:
        return score, str(metric)
    return score, next((name for name in MEANS if name in score["metrics"]), next(iter(score["metrics"])))


def _inspect_row(sample: Json, score: Json, name: str) -> BenchmarkRow:
    attached = sample.get("attachments") or {}
    choices = (sample.get("output") or {}).get("choices") or [{}]
    error = sample.get("error")
    target = sample.get("target", "")
    expected = target if isinstance(target, str) else ", ".join(target)
    prompt = _turns(sample["input"], attached)
    return BenchmarkRow(
        f"{name}/{sample['id']}",
        _graded(sample.get("scores") or {}, score),
        prompt,
        _text(choices[0].get("message", {}).get("content", ""), attached),
        k=int(sample.get("epoch", 1)) - 1,
        note=error["message"][:NOTE_LENGTH] if error else message(EXPECTED, answer=expected[:NOTE_LENGTH]),
        cut=choices[0].get("stop_reason") in ("max_tokens", "model_length"),
        content="\n".join(turn.content for turn in prompt),
    )


def _graded(scores: Json, score: Json) -> float | None:
    """Return the value of one sample as inspect-ai's metrics read it; None for a sample without a score."""
    found = scores.get(score["name"]) or scores.get(score.get("scorer", ""))
    value = found["value"] if found else None
    if isinstance(value, dict):
        value = value.get(score["name"])
    if isinstance(value, str):
        value = GRADES.get(value, GRADES.get(value.lower(), value))
    return _finite(value)


def _turns(asked: Any, attached: Json) -> tuple[Message, ...]:
    if isinstance(asked, str):
        return user(_text(asked, attached))
    return tuple(
        Message(turn["role"] if turn["role"] in ROLES else "user", _text(turn["content"], attached))
        for turn in asked
    )


def _text(content: Any, attached: Json) -> str:
    """Return the words of a turn; the log may hold them in parts, or as an attachment for their length."""
    if isinstance(content, list):
        return "\n".join(_text(part["text"], attached) for part in content if part.get("type") == "text")
    return str(attached.get(str(content).removeprefix("attachment://"), content))


# Both


def _stated(
    metric: str, value: float, error: float | None, n: int, *, rows: list[BenchmarkRow], **rest: Any
) -> Stated:
    """Return the number, with rows if it is a mean: over repetitions of a question, then over questions."""
    by_question: dict[str, list[float]] = {}
    for row in rows:
        if row.value is not None:
            by_question.setdefault(row.question, []).append(row.value)
    means = [fmean(values) for values in by_question.values()]
    kept = math.isclose(fmean(means), value, rel_tol=1e-6, abs_tol=1e-9) if means else n == 0
    return Stated(metric, value, error, n, rows=rows if kept else (), **rest)


def _finite(value: Any) -> float | None:
    """Return a number, or None for a value that is no number, such as the NaN of a sample without a score."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            message("{path} cannot be read: {reason}", path=path, reason=error.strerror)
        ) from error
    except ValueError as error:
        raise DataError(message("{path} is not JSON: {why}", path=path, why=error)) from error
    if not isinstance(content, dict):
        raise DataError(message("{path} is {kind}, not an object", path=path, kind=type(content).__name__))
    return content
