"""The file of a hardening: told from one with stages, and its mistakes name their place."""

from pathlib import Path

import pytest

from truing.config.harden import HardenPlan, is_hardening, load_hardening
from truing.core.errors import ConfigError

ROOT = Path(__file__).parents[2]


def test_the_shipped_recipe_is_the_defaults():
    path = ROOT / "recipes" / "harden.yaml"
    assert is_hardening(path)
    recipe = load_hardening(path, [])
    assert recipe.harden == HardenPlan(policy=recipe.harden.policy)
    assert not is_hardening(ROOT / "recipes" / "rlhf.yaml")


def test_values_can_be_changed(tmp_path: Path):
    path = ROOT / "recipes" / "harden.yaml"
    recipe = load_hardening(path, ["harden.rounds=3", "minutes=20", f"output={tmp_path}"])
    assert (recipe.harden.rounds, recipe.minutes, recipe.output) == (3, 20, str(tmp_path))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("harden.attacks=[plain, json]", "json is trained against and held out"),
        ("harden.round=3", "unknown key 'round'"),
        ("harden.begin=middle", "begin"),
        ("harden.gates.success=2", "success"),
        ("minutes=0", "minutes"),
    ],
)
def test_a_mistake_names_its_place(wrong: str, told: str):
    with pytest.raises(ConfigError, match=told):
        load_hardening(ROOT / "recipes" / "harden.yaml", [wrong])
