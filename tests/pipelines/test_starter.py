"""A recipe by `truing init` loads to the one it was made of, and states what its method reads."""

from pathlib import Path

import pytest

from truing.config.config import load_recipe
from truing.config.reads import require_read
from truing.config.recipe import Recipe
from truing.methods.offline import OFFLINE, choose
from truing.methods.online import choose_online
from truing.pipelines.starter import HYPER, METHODS, sample_rows, starting, unread, wants, write_recipe

OWN_RATE = {name: method.adapter_rate for name, method in METHODS.items()}


@pytest.fixture(scope="module")
def recipes() -> dict[str, Recipe]:
    return {name: starting(name, policy="MODEL", rows="rows.jsonl", output="runs/it") for name in METHODS}


def test_a_written_recipe_loads_to_itself(recipes: dict[str, Recipe], tmp_path: Path):
    for name, recipe in recipes.items():
        path = tmp_path / f"{name}.yaml"
        path.write_text(write_recipe(recipe))
        assert load_recipe(path).recipe == recipe, name
        require_read(recipe)


def test_every_key_is_told_once_with_its_meaning(recipes: dict[str, Recipe]):
    for recipe in recipes.values():
        for line in write_recipe(recipe).splitlines()[2:]:
            assert " # " in line, line
            assert len(line) <= 110, line


def test_all_defaults_are_in_figures(recipes: dict[str, Recipe]):
    assert {name: recipe.optim.learning_rate for name, recipe in recipes.items()} == OWN_RATE
    dpo = recipes["dpo"]
    assert (dpo.loss.name, dpo.loss.hyper["beta"], dpo.loss.hyper["sft_weight"]) == ("dpo", 0.1, 0.0)
    assert (recipes["grpo"].online.group_size, recipes["ppo"].online.epochs) == (8, 4)
    text = write_recipe(dpo)
    assert "items_per_step: 8                         # Rows (pairs, prompts …) behind one" in text
    assert "Default: 32." in text


def test_what_a_recipe_says_is_what_its_method_does_anyway(recipes: dict[str, Recipe]):
    for name, recipe in recipes.items():
        told, loss = recipe.loss.hyper, recipe.loss.name
        if name in OFFLINE:
            assert choose(name, loss, told) == choose(name, None, {}), name
        else:
            assert choose_online(name, loss, told).described == choose_online(name, None).described, name


def test_every_hyper_parameter_has_a_meaning_and_every_meaning_a_hyper_parameter(recipes: dict[str, Recipe]):
    used = {key for recipe in recipes.values() for key in recipe.loss.hyper}
    assert used == {key.partition(".")[2] or key for key in HYPER}


def test_keys_that_a_method_has_no_use_for_are_left_out(recipes: dict[str, Recipe]):
    assert "\nrewards:" not in write_recipe(recipes["dpo"])
    assert "\ncritic:" not in write_recipe(recipes["grpo"])
    assert "\ncritic:" in write_recipe(recipes["ppo"])
    assert "retain" not in write_recipe(recipes["reward"])
    assert "\nreference:" not in write_recipe(recipes["simpo"])
    assert "data.unpair" in unread("dpo")
    assert "data.unpair" not in unread("kto")


def test_sample_rows_are_of_the_kind_a_method_learns_from():
    found = {name: sample_rows(name) for name in METHODS}
    assert all(path.is_file() for path in found.values())
    assert {name: path.stem for name, path in found.items() if name in ("sft", "dpo", "kto", "grpo")} == {
        "sft": "demonstrations",
        "dpo": "preferences",
        "kto": "labelled",
        "grpo": "sums",
    }
    assert wants("sft") == "a prompt with a response"


def test_a_word_that_yaml_reads_as_something_else_is_quoted(recipes: dict[str, Recipe], tmp_path: Path):
    changed = recipes["sft"].model_copy(update={"policy": "no", "output": "runs/off: 1"})
    (tmp_path / "r.yaml").write_text(write_recipe(changed))
    assert load_recipe(tmp_path / "r.yaml").recipe == changed


def test_a_long_path_leaves_the_recipe_readable(tmp_path: Path):
    rows = "/".join(["a-folder-of-a-name"] * 8) + ".jsonl"
    recipe = starting("sft", policy="p" * 120, rows=rows, output="o")
    path = tmp_path / "long.yaml"
    path.write_text(write_recipe(recipe))
    assert load_recipe(path).recipe == recipe
    assert all(len(line) <= 110 for line in path.read_text().splitlines() if "#" in line)
