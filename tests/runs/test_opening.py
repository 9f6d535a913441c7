"""An offline run imports what it uses, and nothing of what samples, rewards, judges, evaluates or reports."""

import json
import sys
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest


def train(content: dict[str, Any], told: Connection) -> None:
    """Forget all modules of the package, train a recipe, and send the modules that were imported for it.

    Called in a fork of this process, which has imported torch, peft and transformers.
    """
    for name in modules():
        del sys.modules[name]
    from contextlib import nullcontext
    from types import SimpleNamespace

    from truing.config.recipe import Recipe
    from truing.config.run_folder import RunFolder
    from truing.runs.train import train_recipe

    recipe: Any = Recipe.model_validate(content)
    line: Any = SimpleNamespace(step=lambda step, logs: None)
    with RunFolder.open(recipe.output) as folder:
        train_recipe(recipe, folder, lambda said: None, lambda title, steps: nullcontext(line))
    told.send(modules())


def modules() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == "truing"]


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
    found = {}
    for method in ("dpo", "reward"):
        here, there = get_context("fork").Pipe(duplex=False)
        asked = recipe | {"method": method, "output": str(folder / method)}
        process = get_context("fork").Process(target=train, args=(asked, there))
        process.start()
        there.close()
        found[method] = here.recv()
        process.join()
        assert process.exitcode == 0 and (folder / method / "model").is_dir()
    return found


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
