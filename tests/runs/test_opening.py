"""An offline run imports what it uses, and nothing of what samples, rewards, judges, evaluates or reports."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

# Trains each recipe in a child of a process that has imported torch and nothing of the package. Prints the
# modules of the package that were imported for it, a line each.
PROGRAM = """
import json, os, sys
import peft, torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from transformers.models.llama import modeling_llama

def train(content):
    from contextlib import nullcontext
    from types import SimpleNamespace
    from truing.config.recipe import Recipe
    from truing.config.run_folder import RunFolder
    from truing.runs.train import train_recipe
    recipe = Recipe.model_validate(content)
    line = SimpleNamespace(step=lambda step, logs: None)
    with RunFolder.open(recipe.output) as folder:
        train_recipe(recipe, folder, lambda said: None, lambda title, steps: nullcontext(line))
    print(json.dumps([name for name in sys.modules if name.partition(".")[0] == "truing"]), flush=True)

assert "truing" not in sys.modules
for content in json.loads(sys.argv[1]):
    child = os.fork()
    if not child:
        train(content)
        os._exit(0)
    if status := os.waitpid(child, 0)[1]:
        sys.exit(os.waitstatus_to_exitcode(status))
"""
ONLINE = {"rollouts", "rewards", "judges", "sampling"}
MEASURED = {"evals", "reports", "stats"}
MOST = 176  # modules of a DPO run, of some 500; more is a sign that something else is brought along


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> dict[str, list[str]]:
    """The modules that a run of one step has loaded in a process of its own, by method."""
    folder = tmp_path_factory.mktemp("opening")
    rows = folder / "rows.jsonl"
    row = {"prompt": "Is it?", "chosen": "Yes, it is.", "rejected": "No."}
    rows.write_text("".join(json.dumps({**row, "prompt": f"Is it {n}?"}) + "\n" for n in range(4)))
    recipe = {
        "policy": str(model_folder),
        "data": {"train": str(rows), "eval_fraction": 0.25},
        "optim": {"items_per_step": 2, "max_steps": 1},
        "lora": {"r": 2},
        "dtype": "float32",
    }
    methods = ("dpo", "reward")
    recipes = [recipe | {"method": method, "output": str(folder / method)} for method in methods]
    asked = [sys.executable, "-c", PROGRAM, json.dumps(recipes)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all((folder / method / "model").is_dir() for method in methods)
    return dict(zip(methods, map(json.loads, done.stdout.splitlines()), strict=True))


def rooms(modules: list[str]) -> set[str]:
    return {name.split(".")[1] for name in modules if "." in name}


def test_an_offline_run_loads_no_room_of_online_training_or_evaluation(loaded):
    modules = loaded["dpo"]
    assert not rooms(modules) & (ONLINE | MEASURED)
    assert "truing.runs.session" in modules
    assert len(modules) <= MOST, sorted(modules)


def test_a_reward_run_loads_what_measures_it_and_nothing_that_samples(loaded):
    modules = loaded["reward"]
    assert "truing.runs.held_out" in modules
    assert not rooms(modules) & {"rollouts", "rewards", "judges", "reports"}
