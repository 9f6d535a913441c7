"""`truing report A B` as users run it: two runs, their evaluations, and what cannot be compared."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="module")
def runs(
    truing: Run, model_folder: Path, pairs_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Two training runs that differ in their learning rate, each with an evaluation inside."""
    folder = tmp_path_factory.mktemp("compare")
    for name, learning_rate in (("slow", 1e-4), ("fast", 1e-2)):
        recipe = {
            "method": "dpo",
            "policy": str(model_folder),
            "data": {"train": [str(pairs_file)]},
            "lora": {"r": 4},
            "optim": {"learning_rate": learning_rate, "items_per_step": 3, "max_steps": 2},
            "dtype": "float32",
            "output": str(folder / name),
        }
        path = folder / f"{name}.json"
        path.write_text(json.dumps(recipe))
        done = truing("train", path)
        assert done.returncode == 0, done.stderr
        options = json.dumps({"over_refusal": {"max_new_tokens": 4}})
        done = truing(
            "eval", folder / name, "--output", folder / name / "eval", "--set", f"tasks={options}",
            "--set", "languages=[en]",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return folder / "slow", folder / "fast"


def assert_told(done: CompletedProcess[str], *said: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for words in said:
        assert words in " ".join(done.stderr.split()), done.stderr


def test_two_runs_make_one_page(runs, truing: Run, tmp_path: Path) -> None:
    done = truing("report", *runs, "--output", tmp_path / "pages" / "both.html")
    assert done.returncode == 0, done.stderr
    assert "Their recipes differ in 1 key: optim.learning_rate." in done.stderr
    assert "fast against slow: of 2 numbers tested" in done.stderr
    page = (tmp_path / "pages" / "both.html").read_text()
    for part in ("What differs", "Training, step by step", "Evaluations", "Answer by answer"):
        assert f">{part}</h2>" in page
    assert 'data-label="slow">0.0001<' in page and 'data-label="fast">0.01<' in page
    assert 'id="items-over_refusal"' in page


def test_evaluations_alone_and_the_usual_place(runs, truing: Run, tmp_path: Path) -> None:
    done = truing("report", *(run / "eval" for run in runs), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "The comparison is in comparison.html" in done.stderr
    page = (tmp_path / "comparison.html").read_text()
    assert "slow/eval" in page and "Training, step by step" not in page


def test_one_folder_is_reported_as_before(runs, truing: Run, tmp_path: Path) -> None:
    done = truing("report", runs[0])
    assert done.returncode == 0 and (runs[0] / "report.html").exists(), done.stderr
    done = truing("report", runs[0] / "eval")
    assert done.returncode == 0, done.stderr
    assert f"already there: {runs[0] / 'eval' / 'report.html'}" in " ".join(done.stderr.split())
    assert_told(
        truing("report", runs[0] / "eval", "--output", tmp_path / "page.html"), "written by `truing eval`"
    )


def test_what_cannot_be_compared_is_told(runs, truing: Run, model_folder: Path) -> None:
    slow, fast = runs
    assert_told(truing("report", slow, slow), "is given twice")
    assert_told(truing("report", slow, model_folder), "holds neither a run")
    assert_told(truing("report", slow, slow / "metrics.jsonl"), "is a file", "name folders")
    assert_told(truing("report", slow, slow / "eval"), "is given twice")
    (fast / "eval").rename(fast.parent / "elsewhere")
    try:
        assert_told(
            truing("report", fast, slow / "eval"), "nothing in common", "a training run", "over_refusal"
        )
    finally:
        (fast.parent / "elsewhere").rename(fast / "eval")
