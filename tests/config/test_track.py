"""`track` in its short and its long form."""

import json
from pathlib import Path

import jsonschema
import pytest

from truing.config.config import load_recipe
from truing.config.recipe import Recipe, json_schema
from truing.config.track import TRACKERS, Track
from truing.core.errors import ConfigError

BASE = {"method": "sft", "policy": "p", "data": {"train": "rows.jsonl"}}
SECTION = {"to": ["wandb"], "project": "mine", "name": "first"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("wandb", Track(to=("wandb",))),
        (["tensorboard", "mlflow"], Track(to=("tensorboard", "mlflow"))),
        ({"to": "trackio"}, Track(to=("trackio",))),
        (SECTION, Track(to=("wandb",), project="mine", name="first")),
        ([], Track()),
    ],
)
def test_a_name_a_list_and_a_section(given: object, expected: Track):
    recipe = {**BASE, "track": given}
    jsonschema.validate(recipe, json_schema())
    assert Recipe.model_validate(recipe).track == expected


def test_none_is_the_default():
    assert Recipe.model_validate(BASE).track.to == ()
    assert len(TRACKERS) == 5


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("wandbb", "no tracker 'wandbb'; known: tensorboard, wandb, trackio, swanlab, mlflow; did you mean"),
        (["tensorboard", "mlfow"], "did you mean 'mlflow'?"),
        ({"to": "aim"}, "track.to is 'aim': no tracker 'aim'"),
        ({"too": "wandb"}, "unknown key 'too' in track"),
        (3, "track is 3: expected a mapping of keys"),
    ],
)
def test_a_wrong_one_is_told_with_its_place(given: object, told: str, tmp_path: Path):
    (tmp_path / "recipe.json").write_text(json.dumps({**BASE, "track": given}, indent=1))
    with pytest.raises(ConfigError) as error:
        load_recipe(tmp_path / "recipe.json")
    assert told in str(error.value) and "recipe.json:" in str(error.value)


def test_the_short_form_keeps_its_place_in_the_printed_recipe(tmp_path: Path):
    path = tmp_path / "recipe.yaml"
    path.write_text(f"{json.dumps(BASE)[:-1]},\n track: [wandb]}}")
    shown = load_recipe(path).describe()
    (line,) = [line for line in shown.splitlines() if line.strip().startswith("to:")]
    assert line.split() == ["to:", '["wandb"]', "#", f"{path}:2"]
    (tmp_path / "again.yaml").write_text(shown)
    assert load_recipe(tmp_path / "again.yaml").recipe.track.to == ("wandb",)
