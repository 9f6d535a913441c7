"""Plans for people and programs: layouts, their order, and the words of both languages."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from truing.config.recipe import Recipe
from truing.core.messages import told
from truing.models.gpus import GPUS
from truing.runs.check import check_session
from truing.runs.opening import open_run
from truing.runs.plans import plan_for, plan_here, planned_of


@pytest.fixture
def described_only(model_folder: Path, tmp_path: Path) -> Path:
    """The tiny model without its weights."""
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    return folder


def recipe_of(method: str, policy: Path, rows: Path, **changes: Any) -> Recipe:
    optim = {"items_per_step": 4}
    recipe = {"method": method, "policy": str(policy), "data": {"train": str(rows)}, "optim": optim}
    return Recipe.model_validate(recipe | {"dtype": "float32"} | changes)


ONLINE = {
    "rewards": [{"name": "length", "high": 3, "unit": "words"}],
    "sampling": {"max_new_tokens": 6},
    "online": {"group_size": 4},
}
METHODS = [
    ("sft", {}),
    ("dpo", {"lora": {"r": 4}}),
    ("kto", {"data": "unpair"}),
    ("reward", {"top_layers": 1}),
    ("ppo", {"lora": {"r": 4}, **ONLINE}),
    ("grpo", ONLINE),
]


@pytest.mark.parametrize(("method", "changes"), METHODS, ids=[method for method, _ in METHODS])
def test_every_kind_of_method_is_planned_without_weights(described_only, pairs_file, method, changes):
    if changes.get("data") == "unpair":
        changes = {"data": {"train": str(pairs_file), "unpair": True}}
    planned = planned_of(recipe_of(method, described_only, pairs_file, **changes), print, gpu=True)
    found = plan_for(GPUS["H200"], 4, planned)
    online = method in ("ppo", "grpo")
    assert [layout.name for layout in found.layouts] == ["one rank", "replicated", "sharded"]
    one, replicated, last = found.layouts[0], found.layouts[1], found.layouts[-1]
    assert replicated.total >= one.total > 1e9
    assert one.memory["weights"] > last.memory["weights"] > 0
    assert one.seconds == pytest.approx(4 * replicated.seconds, rel=0.01) or online
    assert ("sampler" in one.memory) <= online
    assert found.steps == (6 if method == "kto" else 3), "two rows of each pair"


def test_the_cheapest_is_the_first_that_fits(described_only, pairs_file):
    planned = planned_of(recipe_of("sft", described_only, pairs_file), print, gpu=True)
    small = replace(GPUS["L4"], memory=0.9e9)
    none = plan_for(small, 8, planned)
    assert none.cheapest is None
    assert none.lines()[-1].startswith("cheapest    none fits: set activation_checkpointing: true")
    fits = plan_for(GPUS["L4"], 8, planned)
    assert fits.cheapest is fits.layouts[0]
    sharded = replace(fits.layouts[2], room=1e12)
    last = replace(fits, layouts=[replace(one, room=1.0) for one in fits.layouts[:2]] + [sharded])
    assert last.cheapest is sharded
    assert last.lines()[-1] == "cheapest    sharded, 8 of them: the least traffic that fits"
    assert last.as_json()["cheapest"] == "sharded"


def test_lines_say_what_is_an_estimate_in_both_languages(described_only, pairs_file):
    planned = planned_of(recipe_of("dpo", described_only, pairs_file), print, gpu=True)
    lines = plan_for(GPUS["H200"], 1, planned).lines()
    assert lines[0] == "plan        1 x H200, from config.json alone"
    assert "an estimate: 30% of 989 TFLOP/s (NVIDIA H200 data sheet, SXM), traffic not counted" in lines[2]
    assert told(lines[0], "zh") == "计划      1 x H200，只依据 config.json"
    assert "单进程" in told(lines[1], "zh") and "放得下" in told(lines[1], "zh")
    assert "估计值" in told(lines[2], "zh")


def test_a_checked_run_has_the_measured_pace(model_folder, pairs_file):
    checked = check_session(open_run(recipe_of("dpo", model_folder, pairs_file), first_step=True))
    plan = checked.plan
    assert plan.basis == "measured in the first step"
    assert plan.layouts[0].seconds == checked.seconds_per_step
    assert plan.tokens == pytest.approx(checked.tokens, rel=0.5)
    assert json.loads(json.dumps(checked.as_json()))["plan"]["layouts"][0]["name"] == "one rank"


@pytest.mark.parametrize(
    ("device", "seconds", "basis"),
    [
        ("NVIDIA H200", 2.0, "measured in the first step"),
        ("NVIDIA H200", None, "an estimate: 30% of 989 TFLOP/s"),
        ("NVIDIA A10G", None, "no data sheet known"),
    ],
)
def test_the_pace_of_a_gpu_here(described_only, pairs_file, monkeypatch, device, seconds, basis):
    planned = planned_of(recipe_of("sft", described_only, pairs_file), print, gpu=True)
    monkeypatch.setattr("truing.runs.plans.pick_device", lambda asked: torch.device("cuda"))
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: device_name)
    monkeypatch.setattr(
        "torch.cuda.get_device_properties", lambda device: SimpleNamespace(total_memory=141e9)
    )
    device_name = device
    found = plan_here(planned, seconds=seconds)
    assert found.basis.startswith(basis)
    assert (found.layouts[0].seconds is None) is (basis == "no data sheet known")
    assert seconds in (None, found.layouts[0].seconds)


def test_this_machine_without_a_step_is_an_estimate(described_only, pairs_file):
    recipe = recipe_of("dpo", described_only, pairs_file, device="cpu")
    found = plan_here(planned_of(recipe, print, gpu=False), process=0)
    assert "an estimate: half of the rate" in found.basis
    assert found.layouts[0].seconds is not None and found.layouts[0].seconds > 0
    online = recipe_of("grpo", described_only, pairs_file, device="cpu", **ONLINE)
    assert plan_here(planned_of(online, print, gpu=False), process=0).layouts[0].seconds is None
