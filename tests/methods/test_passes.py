"""How many tokens a pass may hold where a recipe does not say."""

import pytest
import torch

from truing.core.recipe import Recipe
from truing.methods.passes import LARGE, ON_CPU, tokens_per_pass

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def recipe(**asked: object) -> Recipe:
    data = {"train": ["rows.jsonl"]}
    return Recipe.model_validate({"method": "dpo", "policy": "model", "data": data, "output": "run", **asked})


def test_passes_are_small_on_a_cpu_unless_the_items_of_a_step_are_coupled() -> None:
    assert tokens_per_pass(recipe(), CPU) == ON_CPU
    assert tokens_per_pass(recipe(), GPU) == tokens_per_pass(recipe(), CPU, coupled=True) == LARGE


@pytest.mark.parametrize("device", [CPU, GPU])
def test_what_a_recipe_says_is_done(device: torch.device) -> None:
    assert tokens_per_pass(recipe(tokens_per_pass=77), device, coupled=True) == 77
