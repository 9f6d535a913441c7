"""The rows of the shipped recipe train every stage of the shipped pipeline."""

from pathlib import Path

import truing
from truing.api.watching import display_of
from truing.config.config import load_recipe
from truing.config.stages import load_stages
from truing.core.files import MANIFEST
from truing.pipelines.stages import run_stages


def test_the_rows_train_a_reward_model_and_a_policy(model_folder: Path, tmp_path: Path, monkeypatch):
    """Every stage of the shipped pipeline, one step each."""
    root = Path(truing.__file__).parents[2]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(root / "examples")
    keys = {"limit": 8, "max_new_tokens": 12, "progress": False}
    recipe = root / "recipes/constitution.yaml"
    truing.constitution(policy=str(model_folder), recipe=recipe, **keys)
    trains = load_recipe("constitution/train.yaml").recipe
    assert (trains.method, trains.policy, trains.data.train) == (
        "sft",
        str(model_folder),
        ("constitution/sft.jsonl",),
    )
    names = ("sft", "reward", "rloo")
    flags = [f"shared.policy={model_folder}", "shared.dtype=float32", "stages.rloo.sampling.max_new_tokens=4"]
    flags += [f"stages.{name}.optim.items_per_step=4" for name in names]
    flags += [f"stages.{name}.optim.max_steps=1" for name in names]
    quiet = display_of(False)
    plan = run_stages(load_stages(root / "recipes/cai.yaml", flags), quiet.say, quiet.stage)
    assert [stage.name for stage in plan] == list(names)
    assert all((stage.result / MANIFEST).is_file() for stage in plan)
