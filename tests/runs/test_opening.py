"""An offline run imports what it uses, and nothing of what samples, rewards, judges, evaluates or reports."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

# Trains one recipe, and prints every module of the package that was imported for it.
PROGRAM = """
import json, sys
from contextlib import nullcontext
from types import SimpleNamespace
from truing.config.recipe import Recipe
from truing.config.run_folder import RunFolder
from truing.runs.train import train_recipe
recipe = Recipe.model_validate(json.loads(sys.argv[1]))
line = SimpleNamespace(step=lambda step, logs: None)
with RunFolder.open(recipe.output) as folder:
    train_recipe(recipe, folder, lambda said: None, lambda title, steps: nullcontext(line))
print(json.dumps([name for name in sys.modules if name.partition(".")[0] == "truing"]))
"""
ONLINE = {"rollouts", "rewards", "judges", "sampling"}
MEASURED = {"evals", "reports", "stats"}
MOST = 140  # modules of a DPO run; more is a sign that something else is brought along


@pytest.fixture
def loaded(tmp_path: Path, model_folder: Path):
    """Train a method for one step in a process of its own; the modules that it has loaded."""

    def train(method: str) -> list[str]:
        rows = tmp_path / "rows.jsonl"
        row = {"prompt": "Is it?", "chosen": "Yes, it is.", "rejected": "No."}
        rows.write_text("".join(json.dumps({**row, "prompt": f"Is it {n}?"}) + "\n" for n in range(4)))
        recipe = {
            "method": method,
            "policy": str(model_folder),
            "data": {"train": str(rows), "eval_fraction": 0.25},
            "optim": {"items_per_step": 2, "max_steps": 1},
            "lora": {"r": 2},
            "dtype": "float32",
            "output": str(tmp_path / "run"),
        }
        asked = [sys.executable, "-c", PROGRAM, json.dumps(recipe)]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "run" / "model").is_dir()
        return json.loads(done.stdout.splitlines()[-1])

    return train


def rooms(modules: list[str]) -> set[str]:
    return {name.split(".")[1] for name in modules if "." in name}


def test_an_offline_run_loads_no_room_of_online_training_or_evaluation(loaded):
    modules = loaded("dpo")
    assert not rooms(modules) & (ONLINE | MEASURED)
    assert "truing.runs.session" in modules
    assert len(modules) <= MOST, sorted(modules)


def test_a_reward_run_loads_what_measures_it_and_nothing_that_samples(loaded):
    modules = loaded("reward")
    assert "truing.runs.held_out" in modules
    assert not rooms(modules) & {"rollouts", "rewards", "judges", "reports"}
