"""`truing.harden` lays its arguments over a recipe, and refuses what makes no sense before any work."""

from pathlib import Path
from typing import Any

import pytest

import truing
from truing.core.errors import ConfigError
from truing.pipelines.harden import entry


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Keeps the recipe of a call in place of running it."""
    found: list[Any] = []

    def stop(recipe: Any, *given: Any) -> Any:
        found.append(recipe)
        raise ConfigError("stopped here")

    monkeypatch.setattr(entry, "harden_recipe", stop)
    return found


def test_arguments_are_laid_over_the_recipe(asked: list[Any], tmp_path: Path):
    path = Path(__file__).parents[2] / "recipes" / "harden.yaml"
    with pytest.raises(ConfigError, match="stopped here"):
        truing.harden("runs/mine", recipe=path, rounds=3, minutes=20, output=tmp_path)
    (recipe,) = asked
    assert (recipe.harden.policy, recipe.harden.rounds) == ("runs/mine", 3)
    assert (recipe.minutes, recipe.output) == (20, str(tmp_path))
    assert recipe.harden.attacks == ("plain", "role_play", "prefix")


def test_without_a_recipe_there_are_defaults(asked: list[Any]):
    with pytest.raises(ConfigError, match="stopped here"):
        truing.harden("runs/mine")
    assert asked[0].output == "runs/harden"


def test_an_unknown_key_is_an_error(asked: list[Any]):
    with pytest.raises(ConfigError, match="round"):
        truing.harden("runs/mine", round=3)
    assert asked == []
