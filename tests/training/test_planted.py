"""Thirteen real training runs of a tiny policy, seven of them with a planted fault.

Every fault is named by its rule before half the run is over, and no healthy run is called sick.
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from truing.config.recipe import Recipe
from truing.config.run_folder import RunFolder
from truing.runs.opening import open_run
from truing.runs.run import run, write_result
from truing.training.health import Finding, read_findings

REWARDS = '''
from zlib import crc32


def in_case(responses, case):
    """Share of a response's characters that are ASCII letters in the case its row asks for."""
    def right(character, asked):
        return character.isascii() and (character.isupper() if asked == "upper" else character.islower())

    pairs = zip(responses, case)
    return [sum(right(c, asked) for c in text) / len(text) if text else 0.0 for text, asked in pairs]


def length(responses):
    return [len(text) / 50 for text in responses]


def constant(responses):
    return [0.5 for text in responses]


def chance(responses):
    """A number that means nothing."""
    return [crc32(text.encode()) % 1000 / 1000 for text in responses]
'''
Train = Callable[..., tuple[dict[str, Finding], int]]
WORDS = ["stone", "river", "cloud", "lamp", "paper", "bread", "wheel", "glass", "field", "smoke"]


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def pair(prompt: str, chosen: str, rejected: str) -> dict[str, str]:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Rows and rewards of all runs."""
    folder = tmp_path_factory.mktemp("planted")
    (folder / "planted_rewards.py").write_text(REWARDS)
    draw = Random(0)
    asked = [f"How many {draw.choice(WORDS)}s in {year}?" for year in range(1960, 2024)]
    said = "There were {} of them in all."
    counts = [draw.randint(100, 900) for _ in asked]
    near = [pair(p, said.format(n), said.format(n + 7)) for p, n in zip(asked, counts, strict=True)]
    write(folder / "near.jsonl", near)
    unlike = [pair(p, said.format(n), draw.choice(WORDS).upper()) for p, n in zip(asked, counts, strict=True)]
    write(folder / "unlike.jsonl", unlike)
    words = [draw.sample(WORDS, 6) for _ in asked]
    coin = [pair(p, " ".join(w[:3]), " ".join(w[3:])) for p, w in zip(asked, words, strict=True)]
    write(folder / "coin.jsonl", coin)
    cases = [{"prompt": " ".join([word] * 5), "case": word.lower()} for word in ("UPPER", "lower")] * 2
    write(folder / "cases.jsonl", cases)
    write(folder / "prompts.jsonl", [{"prompt": p} for p in asked[:4]])
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    sys.modules.pop("planted_rewards", None)


@pytest.fixture(scope="module")
def train(here: Path, model_folder: Path) -> Train:
    """Runs a recipe from random weights, in full: what was found, by rule, and how many steps it has."""

    def one(
        name: str, method: str, rows: str, steps: int, rate: float, *, result: bool = False, **changes: Any
    ) -> tuple[dict[str, Finding], int]:
        recipe: dict[str, Any] = {
            "method": method,
            "policy": str(model_folder),
            "data": {"train": [str(here / rows)]},
            "lora": None,
            "optim": {"learning_rate": rate, "items_per_step": 8, "epochs": 1000, "max_steps": steps},
            "checkpoint": {"every": 1000},
            "dtype": "float32",
            "output": str(here / name),
        }
        for key, value in changes.items():
            recipe[key] = recipe[key] | value if isinstance(recipe.get(key), dict) else value
        with RunFolder.open(recipe["output"]) as folder:
            session = open_run(Recipe.model_validate(recipe))
            run(session, folder)
            if result:
                write_result(session, folder.path / "model", {})
        return {finding.rule: finding for finding in read_findings(folder.path)}, session.plan.total

    return one


def online(reward: str, **changes: Any) -> dict[str, Any]:
    """The sections of a recipe that online runs share."""
    return {
        "rewards": [{"name": f"planted_rewards:{reward}"}],
        "sampling": {"max_new_tokens": 6},
        "online": {"group_size": 8},
        "loss": {"kl_weight": 0.0, "entropy_weight": 0.01},
        **changes,
    }


@pytest.fixture(scope="module")
def taught(train: Train, here: Path) -> tuple[str, dict[str, Finding]]:
    """A policy that gives the chosen answers, and what was found while it learnt them."""
    found, _ = train("sft", "sft", "near.jsonl", 120, 3e-3, result=True)
    return str(here / "sft" / "model"), found


HEALTHY: dict[str, tuple[tuple[str, str, int, float], dict[str, Any]]] = {
    "dpo": (("dpo", "unlike.jsonl", 40, 3e-4), {}),
    "kto": (("kto", "unlike.jsonl", 40, 3e-4), {"data": {"unpair": True}}),
    "reward": (("reward", "unlike.jsonl", 40, 1e-3), {}),
    "grpo": (("grpo", "cases.jsonl", 60, 1e-2), online("in_case")),
    "ppo": (("ppo", "cases.jsonl", 24, 1e-2), online("in_case")),
}
SICK: dict[str, tuple[str, tuple[str, str, int, float], dict[str, Any]]] = {
    "near-identical pairs": (
        "likelihood_displacement",
        ("dpo", "near.jsonl", 60, 3e-3),
        {"policy": "taught"},
    ),
    "far too high a rate": ("loss_spikes", ("sft", "near.jsonl", 40, 0.1), {"policy": "taught"}),
    "labels by chance": (
        "label_noise",
        ("reward", "coin.jsonl", 120, 3e-3),
        {"data": {"eval_fraction": 0.5}, "evaluate": {"every": 10}},
    ),
    "a reward for length": (
        "reward_hacking",
        ("grpo", "prompts.jsonl", 60, 3e-4),
        {"policy": "taught", **online("length", sampling={"max_new_tokens": 40})},
    ),
    "a constant reward": ("zero_variance_groups", ("grpo", "cases.jsonl", 30, 1e-2), online("constant")),
    "no pull to the reference": (
        "kl_runaway",
        ("grpo", "cases.jsonl", 80, 1e-2),
        online("in_case", loss={"kl_weight": 1e-6, "kl": "k2"}),
    ),
    "an entropy weight of the wrong sign": (
        "entropy_collapse",
        ("grpo", "cases.jsonl", 120, 1e-2),
        # Six tokens repeat themselves before entropy is gone: two names of one fault.
        {**online("chance", loss={"entropy_weight": -0.3}), "health": {"off": ["degeneration"]}},
    ),
}


def test_supervised_fine_tuning_is_healthy(taught: tuple[str, dict[str, Finding]]):
    assert not taught[1]


@pytest.mark.parametrize("name", HEALTHY)
def test_no_healthy_run_is_called_sick(train: Train, name: str):
    asked, changes = HEALTHY[name]
    assert not train(name, *asked, **changes)[0]


@pytest.mark.parametrize("name", SICK)
def test_every_sick_run_is_known_by_its_rule_before_half_of_it(
    train: Train, taught: tuple[str, dict[str, Finding]], name: str
):
    rule, asked, changes = SICK[name]
    policy = {"policy": taught[0]} if changes.get("policy") == "taught" else {}
    found, steps = train(name.replace(" ", "_"), *asked, **(changes | policy))
    assert rule in found, f"only {list(found)}"
    assert found[rule].step < steps / 2
    assert found[rule].step == min(finding.step for finding in found.values()), "the fault itself comes first"
