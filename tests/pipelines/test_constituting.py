"""The verb from Python: the same call goes on, a loaded model is a policy, and the rows train."""

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

import truing
from truing.api.watching import display_of
from truing.config.stages import load_stages
from truing.core.errors import ConfigError
from truing.core.files import MANIFEST
from truing.pipelines.stages import run_stages

ROWS = [{"prompt": f"How do I hurt number {n}?", "category": "violence"} for n in range(6)]


def test_from_python_twice(model_folder: Path, tmp_path: Path):
    keys = {"max_new_tokens": 4, "helpful_per_revision": 1.0, "output": tmp_path / "out", "progress": False}
    first = truing.constitution(ROWS[:2], str(model_folder), critic="rule", reviser="rule", **keys)
    assert first.counts["revised"] == 2
    assert first.sft.is_file()
    assert first.page.is_file()
    again = truing.constitution(ROWS[:2], str(model_folder), critic="rule", reviser="rule", **keys)
    assert again.results == first.results
    with pytest.raises(ConfigError, match="other rows"):
        truing.constitution(ROWS[2:4], str(model_folder), **keys)


def test_a_loaded_model_is_a_policy(model_folder: Path, tmp_path: Path):
    model = AutoModelForCausalLM.from_pretrained(model_folder)
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    keys = {"max_new_tokens": 4, "helpful_per_revision": 0, "output": tmp_path / "out", "progress": False}
    found = truing.constitution(ROWS[:1], model, tokenizer=tokenizer, **keys)
    assert found.counts["prompts"] == 1


def test_the_rows_train_a_reward_model_and_a_policy(model_folder: Path, tmp_path: Path, monkeypatch):
    """Every stage of the shipped pipeline, one step each."""
    root = Path(truing.__file__).parents[2]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(root / "examples")
    keys = {"limit": 8, "max_new_tokens": 12, "progress": False}
    recipe = root / "recipes/constitution.yaml"
    truing.constitution(policy=str(model_folder), recipe=recipe, **keys)
    names = ("sft", "reward", "rloo")
    flags = [f"shared.policy={model_folder}", "shared.dtype=float32", "stages.rloo.sampling.max_new_tokens=4"]
    flags += [f"stages.{name}.optim.items_per_step=4" for name in names]
    flags += [f"stages.{name}.optim.max_steps=1" for name in names]
    quiet = display_of(False)
    plan = run_stages(load_stages(root / "recipes/cai.yaml", flags), quiet.say, quiet.stage)
    assert [stage.name for stage in plan] == list(names)
    assert all((stage.result / MANIFEST).is_file() for stage in plan)
