"""`truing check` against the peer's numbers, the shipped recipes, and the clock of `--help`."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "conformance"
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))

CASES = [
    ("sft", {"name": "nll"}, "sft", 0),
    ("dpo", {"name": "dpo", "beta": 0.1}, "pairs", 1),
    ("dpo", {"name": "dpo", "beta": 0.5}, "pairs", 2),
    ("dpo", {"name": "dpo", "beta": 0.1, "sft_weight": 0.5}, "pairs", 27),
]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the peer's numbers in ../shared/conformance are not here")
@pytest.mark.parametrize("packing", ["trees", "padded"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case[1].values())))
def test_the_first_step_is_the_peers(truing, tmp_path, case, packing):
    method, loss, rows, number = case
    expected = json.loads((SHARED / "cases.json").read_text())["cases"][number]
    assert expected["method"] == method
    recipe = {
        "method": method,
        "policy": str(SHARED / "policy"),
        "reference": str(SHARED / "reference"),
        "data": {"train": [str(SHARED / "rows" / f"{rows}.jsonl")]},
        "loss": loss,
        "dtype": "float32",
        "packing": packing,
        "tokens_per_pass": 64 if packing == "trees" else 4096,
        "output": str(tmp_path / "run"),
    }
    (tmp_path / "r.json").write_text(json.dumps(recipe))
    done = truing("check", tmp_path / "r.json", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["loss"] == pytest.approx(expected["loss"], abs=1e-4)
    assert found["grad_norm"] == pytest.approx(expected["grad_norm"], rel=1e-3)
    assert {"items", "tokens", "rows"} <= found.keys()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_runs_three_steps(truing, tmp_path, model_folder, path):
    done = truing(
        "train",
        path,
        "--output",
        tmp_path / "run",
        "--set",
        f"policy={model_folder}",
        "--set",
        "optim.items_per_step=4",
        "--set",
        "optim.max_steps=3",
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 3


def test_help_answers_at_once_without_torch():
    command = [sys.executable, "-X", "importtime", "-m", "truing.cli.main", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not imported & {"torch", "transformers", "pydantic"}
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "truing.cli.main", "--help"], capture_output=True, check=True)
        times.append(time.perf_counter() - start)
    assert min(times) < 1.0  # 0.25 s on an idle machine; the bound leaves room for a busy one
