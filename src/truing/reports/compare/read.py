"""The folders of a comparison: training runs, evaluations, or runs with an evaluation inside.

    paths -> `read_subjects` -> Subject, each with a name that tells it from the others

An evaluation is read from the files that `truing eval` wrote (evals/run.py), without torch.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import FiniteFloat, TypeAdapter, ValidationError

from truing.config.evaluation import ITEMS, RESULTS
from truing.config.run_folder import run_recipe
from truing.core.errors import DataError, UsageError
from truing.core.files import read_jsonl
from truing.core.messages import Sentence, joined, message
from truing.core.words import t
from truing.evals.numbers import Better, NumberUnit
from truing.reports.compare.records import MOST
from truing.reports.run import RunRecord, read_run, state_text
from truing.stats.intervals import Interval

INSIDE = "eval"  # the folder of an evaluation in that of a run
Key = tuple[str, str, int]  # id, text of the prompt, which response to it
ResponsesByKey = Mapping[Key, "ResponseLine"]


@dataclass(frozen=True, slots=True)
class Found:
    """A number of results.json; no value if all values are missing, no ends if n allows no interval."""

    value: FiniteFloat | None
    low: FiniteFloat | None
    high: FiniteFloat | None
    n: int
    missing: int

    def __post_init__(self) -> None:
        assert self.interval is None or self.interval.n  # an Interval checks itself

    @property
    def interval(self) -> Interval | None:
        if self.value is None:
            return None
        low = -math.inf if self.low is None else self.low
        return Interval(self.value, low, math.inf if self.high is None else self.high, self.n)


@dataclass(frozen=True, slots=True)
class GroupNumber:
    """A number over the items of a group."""

    model: Found


@dataclass(frozen=True, slots=True)
class FoundNumber:
    """A number of the model that was evaluated."""

    title: str
    unit: NumberUnit
    better: Better
    task: str
    mean_of: str | None  # the value of responses that the number is the mean of
    model: Found
    groups: dict[str, GroupNumber]


@dataclass(frozen=True, slots=True)
class ResultsFile:
    """The part of results.json by which runs are compared."""

    model: str
    against: str | None
    numbers: dict[str, FoundNumber]
    recipe: dict[str, Any]
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class PromptTurn:
    """One turn of a prompt."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class ResponseLine:
    """One line of items.jsonl: a response with its values. The texts are untrusted."""

    task: str
    side: str
    id: str
    k: int
    category: str
    language: str
    prompt: list[PromptTurn]
    response: str
    values: dict[str, FiniteFloat | None]
    note: str

    @property
    def text(self) -> str:
        """The prompt as one text."""
        return "\n\n".join(turn.content for turn in self.prompt)

    @property
    def key(self) -> Key:
        """The key that responses of several runs to the same question share."""
        return self.id, self.text, self.k


@dataclass(frozen=True)
class EvaluationRecord:
    """An evaluation's folder, read once."""

    path: Path
    results: ResultsFile
    items: Sequence[ResponseLine]  # of the model, not of the model it is compared with

    @cached_property
    def responses(self) -> dict[str, dict[Key, ResponseLine]]:
        """The responses of each task."""
        tasks: dict[str, dict[Key, ResponseLine]] = {}
        for item in self.items:
            tasks.setdefault(item.task, {})[item.key] = item
        return tasks


@dataclass(frozen=True, slots=True)
class Subject:
    """One folder of a comparison."""

    path: Path
    name: str
    run: RunRecord | None
    evaluation: EvaluationRecord | None

    @property
    def trained(self) -> str:
        """The training run in words; empty without a training run."""
        if self.run is None:
            return ""
        asked = self.run.asked
        return t(
            "{method} on {policy}, seed {seed}. {state}",
            method=asked["method"].upper(),
            policy=asked["policy"],
            seed=asked["seed"],
            state=state_text(self.run),
        )

    @property
    def evaluated(self) -> str:
        """The evaluation in words; empty without an evaluation."""
        if self.evaluation is None:
            return ""
        results = self.evaluation.results
        held = "{model} against {against}, seed {seed}: {tasks}; {n:,} answers."
        return t(
            held if results.against else "{model}, seed {seed}: {tasks}; {n:,} answers.",
            model=results.model,
            against=results.against,
            seed=results.recipe.get("seed"),
            tasks=", ".join(results.recipe.get("tasks", ())),
            n=len(self.evaluation.items),
        )


def is_evaluation(path: Path) -> bool:
    """Tell whether `truing eval` wrote the folder."""
    return (path / RESULTS).is_file()


def read_subjects(paths: Sequence[Path]) -> list[Subject]:
    """Read and name two to MOST folders. Raises UsageError for folders that cannot be compared."""
    if len(paths) > MOST:
        raise UsageError(
            message("{n} folders to compare, and one page shows at most {most}", n=len(paths), most=MOST),
            hint=message("leave some out"),
        )
    _refuse_twice([path.resolve() for path in paths])
    subjects = [
        Subject(path, name, *_read(path)) for path, name in zip(paths, short_names(paths), strict=True)
    ]
    _refuse_twice([one.evaluation.path.resolve() for one in subjects if one.evaluation is not None])
    _require_common(subjects)
    return subjects


def _read(path: Path) -> tuple[RunRecord | None, EvaluationRecord | None]:
    if not path.is_dir():
        raise UsageError(
            message("{path} is a file" if path.exists() else "{path} does not exist", path=path),
            hint=message(
                "name folders: of runs, as `truing train` writes them, or of evaluations (`truing eval`)"
            ),
        )
    run = read_run(path) if run_recipe(path) is not None else None
    places = [path, path / INSIDE] if run is not None else [path]
    found = next((place for place in places if is_evaluation(place)), None)
    if run is None and found is None:
        raise UsageError(
            message(
                "{path} holds neither a run (config.json) nor an evaluation ({file})", path=path, file=RESULTS
            ),
            hint=message("`truing train` writes the one, `truing eval` the other"),
        )
    return run, read_evaluation(found) if found is not None else None


def read_evaluation(path: Path) -> EvaluationRecord:
    """Read an evaluation's folder. Raises DataError for files that `truing eval` did not write."""
    try:
        results = _RESULTS.validate_json((path / RESULTS).read_bytes())
    except ValidationError as error:
        raise _damaged(path / RESULTS, error) from error
    try:
        items = _ITEMS.validate_python(read_jsonl(path / ITEMS))
    except ValidationError as error:
        raise _damaged(path / ITEMS, error) from error
    return EvaluationRecord(path, results, [item for item in items if item.side == "model"])


def _damaged(path: Path, error: ValidationError) -> DataError:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"])) or message("the file")
    said = "{path} is not of an evaluation: {place}: {why}"
    return DataError(
        message(said, path=path, place=place, why=first["msg"]),
        hint=message("the same `truing eval` command writes it anew"),
    )


def short_names(paths: Sequence[Path]) -> list[str]:
    """Return each path's shortest end that no other path has: `dpo` and `sft`, or `a/run` and `b/run`."""
    whole = [path.resolve().parts for path in paths]
    ends = Counter(parts[-length:] for parts in whole for length in range(1, len(parts) + 1))
    return [
        str(Path(*next(parts[-n:] for n in range(1, len(parts) + 1) if ends[parts[-n:]] == 1)))
        for parts in whole
    ]


def _refuse_twice(places: Sequence[Path]) -> None:
    if twice := next((place for place, count in Counter(places).items() if count > 1), None):
        raise UsageError(message("{path} is given twice", path=twice), hint=message("name each folder once"))


def _require_common(subjects: Sequence[Subject]) -> None:
    """Raise UsageError unless there are two runs, or two evaluations of the same numbers."""
    measured = Counter(
        name for one in subjects if one.evaluation is not None for name in one.evaluation.results.numbers
    )
    if sum(one.run is not None for one in subjects) > 1 or any(count > 1 for count in measured.values()):
        return
    held = [message("  {path}: {held}", path=one.path, held=_held(one)) for one in subjects]
    raise UsageError(
        joined("\n", [message("these folders have nothing in common to compare:"), *held]),
        hint=message("`truing eval RUN --output RUN/{folder}` adds an evaluation to a run", folder=INSIDE),
    )


def _held(subject: Subject) -> Sentence:
    parts = [message("a training run")] if subject.run is not None else []
    if subject.evaluation is not None:
        numbers = ", ".join(subject.evaluation.results.numbers) or message("nothing")
        parts.append(message("an evaluation of {numbers}", numbers=numbers))
    return joined(" and ", parts)


_RESULTS = TypeAdapter(ResultsFile)
_ITEMS = TypeAdapter(list[ResponseLine])
