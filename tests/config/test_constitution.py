"""The recipe of a constitution says what does not go together, and takes the rule by its name."""

from pathlib import Path

import pytest

from truing.config.constitution import BY_RULE, ConstitutionRecipe
from truing.config.work import load_work
from truing.core.errors import ConfigError

NEEDED = ["prompts=[p.jsonl]", "policy=m", "output=o"]


def load(*overrides: str) -> ConstitutionRecipe:
    return load_work(ConstitutionRecipe, None, [*NEEDED, *overrides])


def test_the_rule_is_the_default_and_has_a_short_name():
    assert load().critic == load("critic=rule").critic == BY_RULE
    assert load("reviser=runs/mine").reviser == "runs/mine"


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("preferences=samples", "no judge is given"),
        ("rounds=0", "at least 1"),
        ("guard.longer=0.5", "at least 1"),
        ("critc=rule", "did you mean 'critic'"),
    ],
)
def test_a_mistake_is_told(override: str, told: str):
    with pytest.raises(ConfigError, match=told):
        load(override)


def test_samples_need_a_temperature():
    with pytest.raises(ConfigError, match="temperature above 0"):
        load("preferences=samples", "judge=m", "temperature=0")


def test_the_shipped_recipe_states_every_key_but_those_of_samples():
    root = Path(__file__).parents[2]
    found = load_work(ConstitutionRecipe, root / "recipes/constitution.yaml", [])
    left = set(ConstitutionRecipe.model_fields) - found.model_fields_set
    assert left == {"judge", "samples", "votes"}
