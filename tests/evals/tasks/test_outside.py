"""Benchmarks of others: their files become numbers, and where they are installed they run for real.

The files here have the shape that lm-eval 0.4.13 and inspect-ai 0.3.285 write, reduced to what is read.
"""

import importlib.util
import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from truing.config.evaluation import EvalRecipe
from truing.core.errors import ConfigError, DataError, ModelError
from truing.evals.bench import Bench, Task, TaskResult
from truing.evals.numbers import NumberFinding
from truing.evals.run import evaluate, write_evaluation
from truing.evals.sides import Side
from truing.evals.tasks.outside import inspect, lm_eval
from truing.evals.tasks.table import build_tasks
from truing.reports.evaluation import evaluation_report
from truing.reports.page import write_report
from truing.sampling.speaker import Speaker
from truing.stats.intervals import mcnemar, wilson

DATE = "2026-02-03T04-05-06.789012"
PYTHON = os.environ.get("TRUING_OUTSIDE_PYTHON")


def never() -> Speaker:
    raise AssertionError("no model is needed to read files")


def side(name: str) -> Side:
    return Side(name, never)


def found(task: Task, *, held: bool = False) -> tuple[dict[str, NumberFinding], TaskResult]:
    result = task.run(Bench(side("model"), side("against") if held else None))
    return {finding.number.name: finding for finding in result.findings}, result


# lm-eval


def weighed(place: int, values: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """A sample of a multiple-choice task, whose second continuation is the likeliest."""
    question = f"Question {place}?"
    return {
        "doc_id": place,
        "doc": {"question": question},
        "target": "0",
        "arguments": {
            "gen_args_0": {"arg_0": question, "arg_1": " yes"},
            "gen_args_1": {"arg_0": question, "arg_1": " no"},
        },
        "resps": [[["-4.5", "False"]], [["-1.25", "False"]]],
        "filtered_resps": [["-4.5", "False"], ["-1.25", "False"]],
        "filter": "none",
        "metrics": list(values),
        "doc_hash": f"hash-{place}",
        **values,
        **changes,
    }


def written(place: int, filtered: str, value: float) -> dict[str, Any]:
    """A sample of a task whose answer is generated."""
    return {
        "doc_id": place,
        "doc": {},
        "target": "4",
        "arguments": {"gen_args_0": {"arg_0": "2 + 2 =", "arg_1": {"until": ["\n"]}}},
        "resps": [[" 5"]],
        "filtered_resps": ["5"],
        "filter": filtered,
        "metrics": ["exact_match"],
        "doc_hash": f"hash-{place}",
        "exact_match": value,
    }


def write_lm_eval(
    folder: Path,
    metrics: Mapping[str, Mapping[str, Any]],
    samples: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    date: str = DATE,
    **more: Any,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "results": metrics,
        "group_subtasks": {},
        "n-samples": {name: {"original": 100, "effective": len(rows)} for name, rows in samples.items()},
        "higher_is_better": {},
        "model_name": "some/model",
        "lm_eval_version": "0.4.13",
        **more,
    }
    path = folder / f"results_{date}.json"
    path.write_text(json.dumps(content))
    for name, rows in samples.items():
        (folder / f"samples_{name}_{date}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def choices(folder: Path, right: Sequence[float], **changes: Any) -> str:
    """Results of a task `colours` whose samples were right or not by `acc_norm`, and never by `acc`."""
    rows = [weighed(place, {"acc": 0.0, "acc_norm": value}) for place, value in enumerate(right)]
    mean = sum(right) / len(right)
    metrics = {"alias": "colours", "acc,none": 0.0, "acc_stderr,none": 0.0, "acc_norm,none": mean}
    return str(write_lm_eval(folder, {"colours": metrics}, {"colours": rows}, **changes))


def test_a_benchmark_has_the_interval_of_its_samples(tmp_path: Path) -> None:
    path = choices(tmp_path, [1, 0, 1, 1])
    numbers, result = found(lm_eval(["en"], tasks=["colours"], results=path))
    number = numbers["lm_eval/colours"]
    assert number.policy.interval is not None
    assert astuple(number.policy.interval) == pytest.approx(astuple(wilson(3, 4)))
    assert (number.number.unit, number.number.title) == ("%", "colours (acc_norm)")
    assert result.notes == [f"lm-eval 0.4.13 of some/model, from {path}."]


def test_its_samples_are_shown_with_what_the_model_found_likeliest(tmp_path: Path) -> None:
    task = lm_eval(["en"], tasks=["colours"], results=choices(tmp_path, [1, 0]))
    (scored,) = found(task)[1].scored
    first = scored.responses[0][0]
    assert (first.question.prompt[0].content, first.text) == ("Question 0?", "no")
    assert scored.marks[0][0].values == {"lm_eval/colours": 1.0} and scored.marks[0][0].note == "expected yes"


def test_a_change_is_measured_sample_by_sample(tmp_path: Path) -> None:
    before, after = [0, 0, 0, 0, 0, 0, 1, 1], [1, 1, 1, 1, 1, 1, 1, 0]
    task = lm_eval(
        ["en"],
        tasks=["colours"],
        results=choices(tmp_path / "after", after),
        against_results=choices(tmp_path / "before", before),
    )
    assert task.needs_against
    number = found(task, held=True)[0]["lm_eval/colours"]
    assert number.change is not None and number.change.estimate == pytest.approx(5 / 8)
    assert number.p == mcnemar([bool(value) for value in before], [bool(value) for value in after])


def test_samples_that_differ_are_not_compared(tmp_path: Path) -> None:
    ours = choices(tmp_path / "after", [1, 1, 0])
    values: Sequence[dict[str, float]] = [{"acc_norm": 1.0}, {"acc_norm": 0.0}, {"acc_norm": 0.0}]
    rows = [weighed(place, one) for place, one in enumerate(values)]
    rows[1]["doc_hash"] = "another question"
    theirs = write_lm_eval(tmp_path / "before", {"colours": {"acc_norm,none": 1 / 3}}, {"colours": rows})
    task = lm_eval(["en"], tasks=["colours"], results=ours, against_results=str(theirs))
    numbers, result = found(task, held=True)
    number = numbers["lm_eval/colours"]
    assert number.policy.interval is not None and number.policy.interval.n == 2
    assert number.policy.interval.estimate == 0.5
    assert result.notes[-1] == "lm_eval/colours: 2 samples are not in both and were left out."


def test_only_answers_of_the_filter_that_counts_are_read(tmp_path: Path) -> None:
    rows = [written(place, "strict", place % 2) for place in range(4)]
    rows += [written(place, "flexible", 1) for place in range(4)]
    metrics = {"exact_match,strict": 0.5, "exact_match_stderr,strict": 0.2, "exact_match,flexible": 1.0}
    path = write_lm_eval(tmp_path, {"sums": metrics}, {"sums": rows})
    numbers, result = found(lm_eval(["en"], tasks=["sums"], results=str(path)))
    interval = numbers["lm_eval/sums"].policy.interval
    assert interval is not None and (interval.estimate, interval.n) == (0.5, 4)
    assert result.scored[0].responses[0][0].text == " 5"


def test_a_number_that_is_no_mean_keeps_its_stated_error(tmp_path: Path) -> None:
    rows = [weighed(0, {"bits_per_byte": [-7.0, 9]}), weighed(1, {"bits_per_byte": [-3.0, 4]})]
    metrics = {"bits_per_byte,none": 1.5, "bits_per_byte_stderr,none": 0.25}
    path = write_lm_eval(
        tmp_path, {"text": metrics}, {"text": rows}, higher_is_better={"text": {"bits_per_byte": False}}
    )
    number = found(lm_eval(["en"], tasks=["text"], results=str(path)))[0]["lm_eval/text"]
    assert number.policy.interval is not None and (number.number.unit, number.number.better) == ("", "lower")
    # 1.96 standard errors of 0.25 on either side of 1.5
    assert astuple(number.policy.interval) == pytest.approx((1.5, 1.01, 1.99, 2), abs=1e-3)


def test_without_an_error_the_interval_says_nothing(tmp_path: Path) -> None:
    metrics = {"mcc,none": 0.5, "mcc_stderr,none": "N/A"}
    path = write_lm_eval(tmp_path, {"text": metrics}, {}, **{"n-samples": {"text": {"effective": 9}}})
    number = found(lm_eval(["en"], tasks=["text"], results=str(path)))[0]["lm_eval/text"]
    assert number.policy.interval is not None
    assert astuple(number.policy.interval) == (0.5, -math.inf, math.inf, 9)


def test_a_group_is_all_samples_of_its_tasks(tmp_path: Path) -> None:
    rows = {
        "warm": [weighed(place, {"acc": 1.0}) for place in range(3)],
        "cold": [weighed(place, {"acc": 0.0}) for place in range(1)],
    }
    metrics = {"hues": {"acc,none": 0.75}, "warm": {"acc,none": 1.0}, "cold": {"acc,none": 0.0}}
    path = write_lm_eval(tmp_path, metrics, rows, group_subtasks={"hues": ["warm", "cold"]})
    number = found(lm_eval(["en"], tasks=["hues"], results=str(path)))[0]["lm_eval/hues"]
    assert number.policy.interval is not None and number.policy.interval.n == 4
    shares = {name: one.interval.estimate for name, (one, _) in number.groups.items() if one.interval}
    assert shares == {"warm": 1.0, "cold": 0.0}


def test_of_a_folder_the_newest_results_count(tmp_path: Path) -> None:
    choices(tmp_path / "out" / "some__model", [0, 0])
    choices(tmp_path / "out" / "some__model", [1, 1], date="2026-03-01T00-00-00.000001")
    number = found(lm_eval(["en"], tasks=["colours"], results=str(tmp_path / "out")))[0]["lm_eval/colours"]
    assert number.policy.interval is not None and number.policy.interval.estimate == 1


def test_a_score_that_is_not_a_number_is_missing(tmp_path: Path) -> None:
    rows = [weighed(0, {"acc": 1.0}), weighed(1, {"acc": math.nan})]
    path = write_lm_eval(tmp_path, {"colours": {"acc,none": 1.0}}, {"colours": rows})
    number = found(lm_eval(["en"], tasks=["colours"], results=str(path)))[0]["lm_eval/colours"]
    assert (number.policy.missing, number.policy.worst, number.policy.best) == (1, 0.5, 1.0)


# inspect-ai


def graded(name: str, value: Any, *, epoch: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "epoch": epoch,
        "input": f"What is the capital of {name}?",
        "target": "Paris",
        "output": {"choices": [{"message": {"content": "It is Rome"}, "stop_reason": "max_tokens"}]},
        "scores": {"includes": {"value": value}},
        "attachments": {},
        **changes,
    }


def failed(name: str) -> dict[str, Any]:
    return graded(name, None, scores={}, error={"message": "out of memory"}, output={"choices": []})


def write_log(
    path: Path, accuracy: float, samples: Sequence[Mapping[str, Any]], *, status: str = "success", **more: Any
) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    scored = sum(bool(sample["scores"]) for sample in samples)
    metrics = {
        "accuracy": {"name": "accuracy", "value": accuracy},
        "stderr": {"name": "stderr", "value": 0.1},
    }
    score = {"name": "includes", "scorer": "includes", "scored_samples": scored, "metrics": metrics}
    content = {
        "version": 2,
        "status": status,
        "eval": {
            "created": "2026-02-03T04:05:06+00:00",
            "task": "capitals",
            "model": "hf/local",
            "packages": {"inspect_ai": "0.3.285"},
        },
        "results": {"total_samples": len(samples), "completed_samples": scored, "scores": [score]},
        "samples": samples,
        **more,
    }
    path.write_text(json.dumps(content))
    return str(path)


def of_inspect(path: str, **more: Any) -> NumberFinding:
    return found(inspect(["en"], tasks=["x.py@capitals"], results=path, **more))[0]["inspect/capitals"]


def test_grades_are_read_as_inspect_reads_them(tmp_path: Path) -> None:
    rows = [graded(name, value) for name, value in zip("abcde", ["C", "I", "P", True, "no"], strict=True)]
    found = of_inspect(write_log(tmp_path / "log.json", 0.5, rows))
    assert found.policy.interval is not None
    assert (found.policy.interval.estimate, found.policy.interval.n) == (0.5, 5)
    assert found.number.title == "capitals (accuracy)"


def test_a_sample_that_failed_is_missing(tmp_path: Path) -> None:
    rows = [graded("a", "C"), graded("b", "C"), failed("c"), graded("d", math.nan)]
    task = inspect(["en"], tasks=["x.py@capitals"], results=write_log(tmp_path / "log.json", 1.0, rows))
    numbers, result = found(task)
    model = numbers["inspect/capitals"].policy
    assert model.interval is not None and (model.interval.estimate, model.interval.n) == (1, 2)
    assert (model.missing, model.worst) == (2, 0.5)
    assert [mark.note for mark in result.scored[0].marks[0][:3]] == ["expected Paris"] * 2 + ["out of memory"]
    assert result.scored[0].responses[0][0].cut


def test_where_all_failed_nothing_was_measured(tmp_path: Path) -> None:
    found = of_inspect(write_log(tmp_path / "log.json", 0.0, [failed("a"), failed("b")]))
    assert found.policy.interval is None and found.policy.missing == 2


def test_repetitions_of_a_question_do_not_count_as_several_questions(tmp_path: Path) -> None:
    def width(epochs: int) -> float:
        rows = [
            graded(name, "CI"[at % 2], epoch=epoch + 1)
            for at, name in enumerate("abcdef")
            for epoch in range(epochs)
        ]
        interval = of_inspect(write_log(tmp_path / f"{epochs}.json", 0.5, rows)).policy.interval
        assert interval is not None and interval.n == 6 * epochs
        return interval.high - interval.low

    assert width(5) >= width(1)


def test_both_sides_are_paired_by_their_ids(tmp_path: Path) -> None:
    ours = write_log(
        tmp_path / "after.json", 0.75, [graded(name, "CCCI"["abcd".index(name)]) for name in "dbca"]
    )
    theirs = write_log(
        tmp_path / "before.json", 0.25, [graded(name, "IICI"["abcd".index(name)]) for name in "abcd"]
    )
    task = inspect(["en"], tasks=["x.py@capitals"], results=ours, against_results=theirs)
    number = found(task, held=True)[0]["inspect/capitals"]
    assert number.change is not None and number.change.estimate == 0.5
    assert number.p == mcnemar([False, False, True, False], [True, True, True, False])


def test_a_score_of_several_values_is_read_by_its_headline(tmp_path: Path) -> None:
    rows = [graded(name, None, scores={"rubric": {"value": {"tone": 1, "facts": 3}}}) for name in "ab"]
    scores = [
        {"name": name, "scorer": "rubric", "metrics": {"mean": {"value": value}}}
        for name, value in (("tone", 1.0), ("facts", 3.0))
    ]
    headline = {"scorer": "rubric", "score": "facts", "metric": "mean"}
    results = {"total_samples": 2, "completed_samples": 2, "scores": scores, "headline": headline}
    found = of_inspect(write_log(tmp_path / "log.json", 0, rows, results=results))
    assert found.policy.interval is not None and found.policy.interval.estimate == 3
    assert found.number.unit == ""


def test_long_turns_that_a_log_puts_elsewhere_are_found(tmp_path: Path) -> None:
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "attachment://abc"}]},
    ]
    rows = [graded("a", "C", input=turns, attachments={"abc": "a long question"}), graded("b", "C")]
    task = inspect(["en"], tasks=["x.py@capitals"], results=write_log(tmp_path / "log.json", 1.0, rows))
    prompt = found(task)[1].scored[0].responses[0][0].question.prompt
    assert [(turn.role, turn.content) for turn in prompt] == [
        ("system", "Be brief."),
        ("user", "a long question"),
    ]


def test_a_metric_that_is_no_mean_keeps_its_stated_error(tmp_path: Path) -> None:
    metrics = {"f1": {"value": 0.5}}
    results = {
        "total_samples": 4,
        "completed_samples": 3,
        "scores": [{"name": "includes", "scorer": "includes", "metrics": metrics}],
    }
    found = of_inspect(write_log(tmp_path / "log.json", 0, [graded("a", "C")], results=results))
    assert found.policy.interval is not None and found.policy.missing == 1
    assert astuple(found.policy.interval) == (0.5, -math.inf, math.inf, 3)


def test_of_a_folder_the_newest_log_of_a_task_counts(tmp_path: Path) -> None:
    write_log(tmp_path / "logs" / "1.json", 1.0, [graded("a", "C")])
    newer = json.loads(Path(write_log(tmp_path / "logs" / "0.json", 0.0, [graded("a", "I")])).read_text())
    newer["eval"]["created"] = "2026-06-01T00:00:00+00:00"
    (tmp_path / "logs" / "0.json").write_text(json.dumps(newer))
    (tmp_path / "logs" / "logs.json").write_text("{}")
    found = of_inspect(str(tmp_path / "logs"))
    assert found.policy.interval is not None and found.policy.interval.estimate == 0


# Mistakes, told before anything is asked


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("lm_eval", {}, "the task 'lm_eval' needs tasks"),
        ("lm_eval", {"tasks": []}, "at least 1 item"),
        ("lm_eval", {"tasks": ["x"], "limit": 0}, "greater than or equal to 1"),
        ("lm_eval", {"tasks": ["x"], "against_results": "y"}, "has against_results"),
        ("lm_eval", {"tasks": ["x"], "results": "y", "few_shot": 0}, "few_shot would change nothing"),
        ("lm_eval", {"tasks": ["x"], "results": "nowhere"}, "nowhere does not exist"),
        ("lm_eval", {"tasks": ["x"], "python": "no-such-python"}, "which is no program"),
        ("lm_eval", {"tasks": ["x"], "options": {"output_path": "y"}}, "which truing sets itself"),
        ("lm_eval", {"tasks": ["x"], "options": {"model_args": "dtype=float32"}}, "model_args of the task"),
        ("inspect", {"tasks": ["x.py"]}, "may hold several tasks"),
        ("inspect", {"tasks": ["nowhere.py@a"]}, "there is no file nowhere.py"),
        ("inspect", {"tasks": ["x.py@a", "y.py@a"]}, "two tasks of inspect have one name"),
        ("inspect", {"tasks": ["x"], "options": {"log-dir": "y"}}, "which truing sets itself"),
    ],
)  # fmt: skip
def test_a_mistake_is_a_config_error(name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build_tasks(EvalRecipe(model="m", tasks={name: options}))


@pytest.mark.skipif(importlib.util.find_spec("inspect_ai") is not None, reason="this Python has it")
def test_a_python_without_the_tool_is_told_with_how_to_install_it() -> None:
    with pytest.raises(ConfigError, match="does not have inspect-ai") as error:
        inspect(["en"], tasks=["x"], python=sys.executable)
    assert "-m pip install 'inspect-ai'" in error.value.hint


def test_a_task_that_is_not_in_the_files_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no number of colour; did you mean 'colours'"):
        lm_eval(["en"], tasks=["colour"], results=choices(tmp_path, [1, 0]))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("log.json", "{", "is not JSON"),
        ("log.json", "[]", "not an object"),
        ("log.json", "{}", "has no JSON log of inspect-ai"),
        ("log.eval", "PK", "is a binary log"),
    ],
)
def test_a_file_of_another_kind_is_told(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=said):
        inspect(["en"], tasks=["x"], results=str(tmp_path / name))
    if name == "log.json":
        with pytest.raises(DataError):
            lm_eval(["en"], tasks=["x"], results=str(tmp_path / name))


def test_a_log_that_did_not_end_well_is_no_result(tmp_path: Path) -> None:
    path = write_log(
        tmp_path / "log.json", 1.0, [graded("a", "C")], status="error", error={"message": "no disk"}
    )
    with pytest.raises(DataError, match=r"the status of capitals is error \(no disk\)"):
        of_inspect(path)


def test_one_number_cannot_be_two_metrics(tmp_path: Path) -> None:
    theirs = write_lm_eval(tmp_path / "before", {"colours": {"acc,none": 1.0}}, {})
    ours = choices(tmp_path / "after", [1, 0])
    task = lm_eval(["en"], tasks=["colours"], results=ours, against_results=str(theirs))
    with pytest.raises(DataError, match="acc for one model and acc_norm for the other"):
        found(task, held=True)


# In an evaluation


def test_numbers_of_others_have_gates_and_a_page(tmp_path: Path) -> None:
    recipe = EvalRecipe.model_validate(
        {
            "model": "after",
            "against": "before",
            "tasks": {
                "lm_eval": {
                    "tasks": ["colours"],
                    "results": choices(tmp_path / "after", [1, 1, 1, 0]),
                    "against_results": choices(tmp_path / "before", [0, 1, 0, 0]),
                },
                "inspect": {
                    "tasks": ["x.py@capitals"],
                    "results": write_log(tmp_path / "log.json", 1.0, [graded("<b>", "C")]),
                },
            },
            "gates": {"lm_eval/colours": {"above": 0.99}, "inspect/capitals": {"above": 0.1}},
        }
    )
    done = evaluate(recipe, lambda line: None, lambda *told: None)
    assert {gate.name: gate.met for gate in done.gates} == {
        "lm_eval/colours": False,
        "inspect/capitals": True,
    }
    assert "inspect: against_results is not given." in done.notes
    write_evaluation(done, tmp_path / "out")
    rows = [json.loads(line) for line in (tmp_path / "out" / "items.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows if row["side"] == "against"] == [f"colours/{i}" for i in range(4)]
    write_report(evaluation_report(done), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "colours (acc_norm)" in page and "capital of &lt;b&gt;" in page


# Running. A module of the same name stands where the tool is: what is tested is how it is called.

STANDS_IN = """
import json, sys
from pathlib import Path

given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
model = Path(given["--model_args"].split("=")[1].split(",")[0])
config = json.loads((model / "config.json").read_text())
print("loading", config["model_type"], file=sys.stderr)
Path(__file__).with_name("called.json").write_text(json.dumps(sys.argv[1:]))
if b"lora" in (model / "model.safetensors").read_bytes():
    sys.exit("not merged")
if given["--tasks"] == "broken":
    sys.exit("KeyError: 'broken'")
if given["--tasks"] != "silent":
    out = Path(given["--output_path"]) / "model"
    out.mkdir(parents=True)
    results = {"results": {"colours": {"acc,none": 0.5, "acc_stderr,none": 0.1}}}
    (out / "results_2026-02-03T04-05-06.789012.json").write_text(json.dumps(results))
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., TaskResult]:
    """Runs the task `lm_eval` with a stand-in of that name on a model."""
    module = tmp_path / "tools" / "lm_eval"
    module.mkdir(parents=True)
    (module / "__init__.py").touch()
    (module / "__main__.py").write_text(STANDS_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "tools"))

    def run(source: Path, tasks: list[str], **options: Any) -> TaskResult:
        task = lm_eval(["en"], tasks=tasks, python=sys.executable, **options)
        return task.run(Bench(Side(str(source), never)))

    return run


def test_a_plain_folder_is_measured_as_it_is(
    stand_in: Callable[..., TaskResult], model_folder: Path, tmp_path: Path
) -> None:
    result = stand_in(
        model_folder,
        ["colours"],
        limit=3,
        few_shot=0,
        options={"model_args": {"dtype": "float32"}, "trace": True},
    )
    (finding,) = result.findings
    assert finding.policy.interval is not None
    assert astuple(finding.policy.interval)[:3] == pytest.approx((0.5, 0.304, 0.696), abs=1e-3)
    assert result.notes == []
    called = json.loads((tmp_path / "tools" / "lm_eval" / "called.json").read_text())
    assert called[3].endswith("/model,dtype=float32")
    assert called[8:] == ["--log_samples", "--limit", "3", "--num_fewshot", "0", "--trace"]


def test_an_adapter_is_merged_first(
    stand_in: Callable[..., TaskResult], model_folder: Path, tmp_path: Path
) -> None:
    base = AutoModelForCausalLM.from_pretrained(model_folder)
    folder = tmp_path / "adapter"
    get_peft_model(base, LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(
        json.dumps({**config, "base_model_name_or_path": str(model_folder)})
    )
    for file in model_folder.glob("tokenizer*"):
        (folder / file.name).write_bytes(file.read_bytes())
    assert len(stand_in(folder, ["colours"]).findings) == 1


def test_a_tool_that_fails_is_quoted(stand_in: Callable[..., TaskResult], model_folder: Path) -> None:
    with pytest.raises(ModelError, match=r"exit code 1:\nloading llama\nKeyError: 'broken'"):
        stand_in(model_folder, ["broken"])
    with pytest.raises(ModelError, match="left no number of"):
        stand_in(model_folder, ["silent"])


def test_a_name_without_a_number_of_its_own_is_noted(
    stand_in: Callable[..., TaskResult], model_folder: Path
) -> None:
    result = stand_in(model_folder, ["hues"])
    assert result.findings == []
    assert result.notes == ["lm_eval gave no number of hues as a whole; it has colours."]


# For real

needs_them = pytest.mark.skipif(
    PYTHON is None, reason="set TRUING_OUTSIDE_PYTHON to a Python with lm-eval[hf] and inspect-ai"
)
HUES = """
task: hues
dataset_path: json
dataset_kwargs: {data_files: {test: FOLDER/hues.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: choices
doc_to_target: answer
metric_list: [{metric: acc}, {metric: acc_norm}]
"""
SUMS = """
task: sums
dataset_path: json
dataset_kwargs: {data_files: {test: FOLDER/sums.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}} ="
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["\\n"], max_gen_toks: 4}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""
CAPITALS = """
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import includes
from inspect_ai.solver import generate, solver


@solver
def fails_on(name):
    async def solve(state, generate):
        if state.sample_id == name:
            raise ValueError("this sample is broken")
        return state

    return solve


@task
def capitals(broken):
    names = ("Peru", "Chad", "Fiji")
    samples = [Sample(id=name, input=f"The capital of {name}?", target="e") for name in names]
    return Task(dataset=samples, solver=[fails_on(broken), generate()], scorer=includes())
"""


@pytest.fixture
def moved(moved_folder: Path, tmp_path: Path) -> Path:
    """The tiny model with other weights, where a path holds what neither tool may read as arguments."""
    folder = tmp_path / "moved, a=b"
    shutil.copytree(moved_folder, folder)
    return folder


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "1")


@needs_them
@pytest.mark.slow
@pytest.mark.usefixtures("offline")
def test_lm_eval_runs_on_both_models(model_folder: Path, moved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tasks"
    folder.mkdir()
    rows = [{"question": f"Is {i} even?", "choices": [" yes", " no, not"], "answer": i % 2} for i in range(8)]
    (folder / "hues.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rows = [{"question": f"{i} + {i}", "answer": str(2 * i)} for i in range(8)]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, text in (("hues", HUES), ("sums", SUMS)):
        (folder / f"{name}.yaml").write_text(text.replace("FOLDER", str(folder)))
    options = {"include_path": str(folder), "device": "cpu", "model_args": {"dtype": "float32"}}
    task = lm_eval(["en"], tasks=["hues", "sums"], limit=6, few_shot=0, options=options, python=PYTHON)
    bench = Bench(Side(str(moved), never), Side(str(model_folder), never))
    result = task.run(bench)
    assert [finding.number.title for finding in result.findings] == ["hues (acc_norm)", "sums (exact_match)"]
    for finding, scored in zip(result.findings, result.scored, strict=True):
        assert finding.against is not None and finding.change is not None
        assert finding.policy.interval is not None and finding.policy.interval.n == 6
        assert len(scored.responses[1]) == 6 and all(
            answer.question.prompt[0].content for answer in scored.responses[0]
        )
    assert result.scored[0].responses[0][0].text in ("yes", "no, not")
    with pytest.raises(ModelError, match="no_such_task"):
        lm_eval(["en"], tasks=["no_such_task"], python=PYTHON).run(bench)


@needs_them
@pytest.mark.slow
@pytest.mark.usefixtures("offline")
def test_inspect_runs_and_leaves_out_what_failed(model_folder: Path, moved: Path, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(CAPITALS)
    options = {"max_tokens": 8, "task_args": {"broken": "Chad"}, "model_args": {"device": "cpu"}}
    task = inspect(["en"], tasks=[f"{tmp_path}/x.py@capitals"], options=options, python=PYTHON)
    sides = (Side(str(moved), never), Side(str(model_folder), never))
    result = task.run(Bench(*sides, samples=2, temperature=1.0, seed=3))
    (finding,) = result.findings
    for measured in (finding.policy, finding.against):
        assert measured is not None and measured.interval is not None
        assert (measured.interval.n, measured.missing) == (4, 2)
    notes = [mark.note for mark in result.scored[0].marks[0] if mark.values["inspect/capitals"] is None]
    assert len(notes) == 2 and all("this sample is broken" in note for note in notes)
    assert all(answer.text for answer in result.scored[0].responses[0] if "Chad" not in answer.question.id)
