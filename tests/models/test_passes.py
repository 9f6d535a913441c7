"""Tokens of a pass where a recipe does not say, and the numbers that passes give each tree."""

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from truing.config.recipe import Recipe
from truing.data.packing import pack
from truing.models.passes import LARGE, ON_CPU, ON_CPU_LOW, numbers_of, tokens_per_pass
from truing.models.room import Room
from truing.models.scoring import Scorer


@dataclass(frozen=True)
class Place:
    """The device on which a scorer multiplies, and its format."""

    device: torch.device
    autocast: torch.dtype | None = None
    room: Room = field(default_factory=Room)


CPU: Any = Place(torch.device("cpu"))
GPU: Any = Place(torch.device("cuda"))
LOW: Any = Place(torch.device("cpu"), torch.bfloat16)


def recipe(**asked: object) -> Recipe:
    data = {"train": ["rows.jsonl"]}
    return Recipe.model_validate({"method": "dpo", "policy": "model", "data": data, "output": "run", **asked})


def test_passes_are_small_on_a_cpu_unless_the_items_of_a_step_are_coupled() -> None:
    assert tokens_per_pass(recipe(), CPU) == ON_CPU
    assert tokens_per_pass(recipe(), LOW) == ON_CPU_LOW
    assert tokens_per_pass(recipe(), GPU) == tokens_per_pass(recipe(), CPU, coupled=True) == LARGE


@pytest.mark.parametrize("scorer", [CPU, LOW, GPU])
def test_what_a_recipe_says_is_done(scorer: Any) -> None:
    assert tokens_per_pass(recipe(tokens_per_pass=77), scorer, coupled=True) == 77


def test_less_is_held_once_memory_has_run_out() -> None:
    short: Any = Place(torch.device("cpu"), room=Room(most=50))
    assert tokens_per_pass(recipe(tokens_per_pass=77), short) == tokens_per_pass(recipe(), short) == 50
    assert tokens_per_pass(recipe(tokens_per_pass=30), short) == 30


def test_each_tree_has_the_numbers_of_a_pass_by_itself(tiny, pairs) -> None:
    scorer, told = Scorer(tiny(), layout="trees"), []
    trees = dict(enumerate(pairs, 5))
    with torch.no_grad():
        found = numbers_of(trees, scorer, 64, lambda b: scorer(b).logps, lambda *done: told.append(done))
        for item, tree in trees.items():
            alone = scorer(pack([tree])).logps
            assert torch.allclose(found[item], alone, atol=1e-5)
    assert told[-1] == (len(pairs), len(pairs)) and len(told) > 1, "in several passes"
