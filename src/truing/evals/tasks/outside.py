"""Benchmarks of others: run lm-eval or inspect-ai in a process of its own, or read the results of a past run.

    lm_eval: {tasks: [arc_easy, mmlu], limit: 100}
    inspect: {tasks: [capitals.py@capitals], python: inspect-env/bin/python}
    lm_eval: {tasks: [arc_easy], results: out/after, against_results: out/before}     # runs nothing

The model is written as a folder that transformers opens, and each task becomes one number: `lm_eval/mmlu`,
`inspect/capitals`. To add a tool, write its reader in `outside_read.py`, a function here that says how it is
run, and a row in TASKS.
"""

import importlib.util
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from truing.config.fields import Count, NonEmpty
from truing.config.imports import closest
from truing.config.run_folder import run_recipe
from truing.core.errors import ConfigError, DataError, ModelError
from truing.core.messages import joined, message
from truing.evals.bench import Bench, Marks, ScoredResponses, Task, TaskResult
from truing.evals.numbers import Number, NumberFinding, of_sides
from truing.evals.sides import Question, SampledResponse, Side, response_of
from truing.evals.tasks.outside_options import Options, flags_of, pairs, present
from truing.evals.tasks.outside_read import BenchmarkRow, Stated, Told, read_inspect, read_lm_eval
from truing.models.export import export_folder
from truing.models.sources import resolve
from truing.models.trained import is_reward, load_trained
from truing.stats.clusters import Measured
from truing.stats.intervals import Interval

Names = Annotated[Sequence[str], Field(min_length=1)]
AtLeastOne = Annotated[int, Field(ge=1)]
Command = Callable[[Path, Path, Bench], list[str]]  # of the model's folder and the folder of results

LAST_LINES = 8  # of the output of a failed process
Z = 1.959964  # standard errors in half a 95 % interval


@dataclass(frozen=True)
class Tool:
    """The harness of another project."""

    name: str  # the task of `truing eval`, and the first part of its numbers
    module: str  # the argument of `python -m`
    package: str  # on the package index
    read: Callable[[Path, Sequence[str]], Told]


LM_EVAL = Tool("lm_eval", "lm_eval", "lm-eval[hf]", read_lm_eval)
INSPECT = Tool("inspect", "inspect_ai", "inspect-ai", read_inspect)


def lm_eval(
    languages: Sequence[str],
    *,
    tasks: Names,
    limit: AtLeastOne | None = None,
    few_shot: Count | None = None,
    options: Mapping[str, Any] = {},
    python: NonEmpty | None = None,
    results: NonEmpty | None = None,
    against_results: NonEmpty | None = None,
) -> Task:
    """Run tasks and groups of the Language Model Evaluation Harness; `options` are more of its flags.

    Prompts, examples and decoding are the tasks' own: neither `languages` nor the recipe's samples matter.
    """
    given = {"limit": limit, "num_fewshot": few_shot}
    ours = {"model", "tasks", "output_path", "log_samples", *given}
    flags = flags_of(
        LM_EVAL.name, {key: value for key, value in options.items() if key != "model_args"}, "_", ours
    )
    model_args = pairs(LM_EVAL.name, options, "model_args")

    def command(folder: Path, target: Path, bench: Bench) -> list[str]:
        call = ["--model", "hf", "--model_args", ",".join([f"pretrained={folder}", *model_args])]
        call += ["--tasks", ",".join(tasks), "--output_path", str(target), "--log_samples"]
        return [*call, *present(given, "_"), *flags]

    made = _files(LM_EVAL, results, against_results, {**given, "python": python, "options": options or None})
    return _task(LM_EVAL, tasks, command, python, made)


def inspect(
    languages: Sequence[str],
    *,
    tasks: Names,
    limit: AtLeastOne | None = None,
    options: Mapping[str, Any] = {},
    python: NonEmpty | None = None,
    results: NonEmpty | None = None,
    against_results: NonEmpty | None = None,
) -> Task:
    """Run tasks of Inspect, as `file.py@task` or `package/task`; `options` are more flags of its `eval`.

    They are asked with the recipe's samples, temperature and seed. A sample that fails is missing.
    """
    names = [_inspect_name(task) for task in tasks]
    if len(set(names)) < len(names):
        raise ConfigError(
            message("two tasks of inspect have one name: {names}", names=", ".join(tasks)),
            hint=message("measure one of them"),
        )
    files = [Path(task.rpartition("@")[0]).expanduser() for task in tasks if "@" in task]
    if results is None and (absent := [str(file) for file in files if not file.exists()]):
        said = "there is no file {files}, of which inspect is to run a task"
        raise ConfigError(message(said, files=", ".join(absent)))
    given = {"limit": limit}
    ours = {"model", "log_format", "log_dir", "display", "epochs", "temperature", "seed", *given}
    held = ("model_args", "task_args")
    flags = flags_of(
        INSPECT.name, {key: value for key, value in options.items() if key not in held}, "-", ours
    )
    model_args, task_args = (pairs(INSPECT.name, options, key) for key in held)

    def command(folder: Path, target: Path, bench: Bench) -> list[str]:
        call = ["eval", *tasks, "--model", "hf/local", "-M", f"model_path={folder}"]
        call += ["--log-format", "json", "--log-dir", str(target), "--display", "plain", "--no-fail-on-error"]
        call += ["--temperature", str(bench.temperature)] if bench.temperature else ["-M", "do_sample=false"]
        call += ["--epochs", str(bench.samples)] if bench.samples > 1 else []
        call += [part for pair in model_args for part in ("-M", pair)]
        call += [part for pair in task_args for part in ("-T", pair)]
        return [*call, "--seed", str(bench.seed), *present(given, "-"), *flags]

    made = _files(INSPECT, results, against_results, {**given, "python": python, "options": options or None})
    return _task(INSPECT, names, command, python, made)


def _inspect_name(task: str) -> str:
    """Return inspect's name of the task in its log."""
    path, _, name = task.rpartition("@")
    if not path and name.endswith(".py"):
        raise ConfigError(
            message("{task} may hold several tasks of inspect", task=task),
            hint=message("name one: {task}@my_task", task=task),
        )
    return name if path else name.rpartition("/")[2]


# Running and reading


def _files(tool: Tool, results: str | None, against: str | None, unused: Options) -> list[Path]:
    """Return the result files to read in place of a run: first the model's, then the other model's."""
    if results is None:
        if against is not None:
            raise ConfigError(
                message("the task {task!r} has against_results", task=tool.name),
                hint=message("give results too"),
            )
        return []
    if idle := [key.replace("num_fewshot", "few_shot") for key, value in unused.items() if value is not None]:
        keys = ", ".join(idle)
        said = "the task {task!r} reads {results} as it is: {keys} would change nothing"
        raise ConfigError(
            message(said, task=tool.name, results=results, keys=keys),
            hint=message("leave {keys} out, or results", keys=keys),
        )
    return [Path(path).expanduser() for path in (results, against) if path is not None]


def _task(
    tool: Tool, names: Sequence[str], command: Command, python: str | None, files: Sequence[Path]
) -> Task:
    """Return a task with one number for each name. Read given files now, so that mistakes show early."""
    numbers = {name: Number(f"{tool.name}/{name}", name, "%", "higher", "") for name in names}
    read = [_read(tool, file, names) for file in files]
    interpreter = "" if files else _interpreter(tool, python)

    def run(bench: Bench) -> TaskResult:
        if files:
            both = zip(read, files, strict=True)
            notes: list[str] = [
                message("{made_by}, from {file}.", made_by=one.made_by, file=file) for one, file in both
            ]
            if len(read) < len(bench.sides):
                notes.append(message("{tool}: against_results is not given.", tool=tool.name))
            return _result(tool, numbers, read, notes)
        told: list[Told] = []
        for place, side in enumerate(bench.sides):
            bench.watch(
                message("{tool} on {model}", tool=tool.name, model=side.source), place, len(bench.sides)
            )
            told.append(_run(tool, interpreter, command, side, bench, names))
        return _result(tool, numbers, told, [])

    return Task(tuple(numbers.values()), run, needs_against=len(files) > 1)


def _read(tool: Tool, path: Path, names: Sequence[str]) -> Told:
    if not path.exists():
        raise ConfigError(
            message("results of the task {task!r}: {path} does not exist", task=tool.name, path=path)
        )
    told = tool.read(path, names)
    if absent := [name for name in names if name not in told.tasks]:
        raise DataError(
            message(
                "{path} has no number of {names}{end}",
                path=path,
                names=", ".join(absent),
                end=closest(absent[0], told.known),
            ),
            hint=message("it has {names}", names=", ".join(told.known) or message("none")),
        )
    return told


def _interpreter(tool: Tool, python: str | None) -> str:
    """Return the Python that runs the tool. Raises ConfigError where that Python lacks the tool."""
    how = "PYTHON -m pip install {package!r}, in an environment of its own; then python: PYTHON"
    install, names = message(how, package=tool.package), {"task": tool.name, "package": tool.package}
    if python is None:
        if importlib.util.find_spec(tool.module) is None:
            raise ConfigError(
                message("the task {task!r} needs {package}, which is not here", **names), hint=install
            )
        return sys.executable
    program = shutil.which(Path(python).expanduser())
    if program is None:
        said = "python of the task {task!r} is {python}, which is no program"
        raise ConfigError(message(said, task=tool.name, python=python), hint=install)
    asks = "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)"
    if subprocess.run([program, "-c", asks, tool.module], capture_output=True, check=False).returncode:
        raise ConfigError(
            message("{python} does not have {package}", python=python, package=tool.package), hint=install
        )
    return program


def _run(
    tool: Tool, interpreter: str, command: Command, side: Side, bench: Bench, names: Sequence[str]
) -> Told:
    """Run the tool on one side and read its results. Raises ModelError with the end of its output."""
    with tempfile.TemporaryDirectory(prefix="truing-") as scratch:
        folder, target = Path(scratch) / "model", Path(scratch) / "results"
        _place(side.source, folder)
        call = [interpreter, "-m", tool.module, *command(folder, target, bench)]
        done = subprocess.run(
            call,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if done.returncode:
            failed = "{tool} failed on {model} with exit code {code}:"
            why = message(failed, tool=tool.module, model=side.source, code=done.returncode)
            raise ModelError(
                joined("\n", [why, _end(done)]),
                hint=message("it was asked: {call}", call=" ".join(call[1:])),
            )
        try:
            return tool.read(target, names)
        except DataError as error:
            left = "{tool} left no number of {model}: {why}"
            why = message(left, tool=tool.module, model=side.source, why=error.message)
            raise ModelError(joined("\n", [why, _end(done)]), hint=error.hint) from error


def _end(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last lines without the frames of a traceback; inspect-ai writes some errors to stdout."""
    lines = [*done.stderr.splitlines(), *done.stdout.splitlines()]
    return "\n".join([line for line in lines if line.strip() and not line.startswith("  ")][-LAST_LINES:])


def _place(source: str, folder: Path) -> None:
    """Put the model at `folder`: a link where transformers opens the model as it is, else a merged export.

    The link hides the user's path, whose commas and equals signs both tools would misread.
    """
    path = Path(source)
    if run_recipe(path) is None and not (path / "adapter_config.json").is_file() and not is_reward(source):
        folder.symlink_to(resolve(source).path.resolve())
        return
    trained = load_trained(source, device="cpu")
    export_folder(trained.model, trained.tokenizer, folder, merge=True)


# Findings


def _result(tool: Tool, numbers: Mapping[str, Number], told: Sequence[Told], notes: list[str]) -> TaskResult:
    findings: list[NumberFinding] = []
    items: list[ScoredResponses] = []
    for name, number in numbers.items():
        stated = [one.tasks[name] for one in told if name in one.tasks]
        if len(stated) < len(told):
            known = ", ".join(told[0].known)
            lacks = "{tool} gave no number of {name} as a whole; it has {known}."
            notes.append(message(lacks, tool=tool.name, name=name, known=known))
            continue
        described = _described(tool, number, stated)
        rows, apart = _common([one.rows for one in stated])
        if apart:
            alone = "{name}: {n} samples are not in both and were left out."
            notes.append(message(alone, name=number.name, n=apart))
        if rows[0]:
            scored = _scored(number.name, rows)
            grouped = any(row.category for row in rows[0])
            group = (lambda response: response.question.category) if grouped else None
            findings.append(scored.finding(described, number.name, group=group))
            items.append(scored)
        else:
            findings.append(of_sides(described, [_whole(one, described) for one in stated]))
    return TaskResult(findings, items, notes)


def _described(tool: Tool, number: Number, stated: Sequence[Stated]) -> Number:
    """Return the number completed from the results: its metric, its unit, and its better direction."""
    metrics = {one.metric for one in stated}
    if len(metrics) > 1:
        one, other = sorted(metrics)
        said = "{name} is {one} for one model and {other} for the other"
        raise DataError(
            message(said, name=number.name, one=one, other=other),
            hint=message("make both with the same version of the task"),
        )
    (metric,) = metrics
    values = [row.value for one in stated for row in one.rows if row.value is not None]
    shares = all(0 <= value <= 1 for value in values)
    named = metric.startswith(("acc", "exact_match"))  # means of shares, without samples
    return replace(
        number,
        title=f"{number.title} ({metric})",
        unit="%" if (shares if values else named) else "",
        better=stated[0].better,
        explains=message(
            "{metric} of {name}, as {tool} computes it.", metric=metric, name=number.title, tool=tool.module
        ),
    )


def _common(sides: Sequence[Sequence[BenchmarkRow]]) -> tuple[list[list[BenchmarkRow]], int]:
    """Return the rows that all sides have, in one order, and the count of the other rows."""
    keyed = [{(row.question, row.k, row.content): row for row in rows} for rows in sides]
    shared = [key for key in keyed[0] if all(key in other for other in keyed)]
    everything = {key for side in keyed for key in side}
    apart = len(everything) - len(shared) if shared else 0
    return [[side[key] for key in shared] for side in keyed], apart


def _scored(name: str, sides: Sequence[Sequence[BenchmarkRow]]) -> ScoredResponses:
    return ScoredResponses(
        [[_response(row) for row in rows] for rows in sides],
        [[Marks({name: row.value}, row.note) for row in rows] for rows in sides],
    )


def _response(row: BenchmarkRow) -> SampledResponse:
    return response_of(Question(row.question, row.prompt, row.category), row.response, cut=row.cut, k=row.k)


def _whole(stated: Stated, number: Number) -> Measured:
    """Return a number as stated, with the normal interval of its standard error."""
    worst, best = number.ends
    low, high = sorted(number.ends)
    total, value = stated.n + stated.missing, stated.value
    if not (stated.n and math.isfinite(value)):
        return Measured(None, total, worst, best)
    half = math.inf if stated.error is None else Z * stated.error
    interval = Interval(value, max(low, value - half), min(high, value + half), stated.n)
    ends = [
        (value * stated.n + end * stated.missing) / total if stated.missing else value
        for end in (worst, best)
    ]
    return Measured(interval, stated.missing, *ends)
