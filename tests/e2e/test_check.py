"""`truing check` against the peer's numbers, the shipped recipes, and the clock of `--help`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..conformance.peer import peer_cases

ROOT = Path(__file__).parents[2]
RECIPES = [path for path in sorted((ROOT / "recipes").glob("*.yaml")) if "\nmethod:" in path.read_text()]

# Methods and layouts of which `truing check` runs as users run it: tests/conformance has all cases.
CHECKED = [case for case in peer_cases() if case.number in (1, 34, 36, 45)]


@pytest.mark.parametrize("case", CHECKED, ids=str)
def test_the_first_step_is_the_peers(truing, tmp_path, case):
    asked = {"packing": "padded"} if case.number % 2 else {"packing": "trees", "tokens_per_pass": 64}
    (tmp_path / "r.json").write_text(json.dumps(case.recipe(tmp_path, **asked)))
    done = truing("check", tmp_path / "r.json", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    case.agrees(found["loss"], found["grad_norm"])
    rows = found["rows"]
    assert rows["kept"] == found["items"] == len(case.read())
    assert rows["kept"] + sum(rows["set_aside"].values()) == rows["read"] + rows["made"]
    assert found["tokens"] > 0


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_runs_three_steps(truing, tmp_path, model_folder, path):
    done = truing(
        "train",
        path,
        "--trust-code",  # one of them names a function of its own
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
    command = [sys.executable, "-X", "importtime", "-m", "truing", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not imported & {"torch", "transformers", "pydantic"}
    assert any(seconds_of_help() < 1.0 for _ in range(3))  # 0.25 s on an idle machine; this one may be busy


def seconds_of_help() -> float:
    """Return the seconds of a processor that `truing --help` takes."""
    before = os.times()
    subprocess.run([sys.executable, "-m", "truing", "--help"], capture_output=True, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system
