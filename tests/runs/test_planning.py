"""Sizes of a run's steps, and what its model needs beside the passes."""

from pathlib import Path

import pytest

from truing.config.recipe import Recipe
from truing.data.trees import Branch, Tree
from truing.models.operations import TreeSizes
from truing.runs.planning import OutlinedRun, online_work, work_of


def recipe_of(policy: Path, **changes) -> Recipe:
    recipe = {
        "method": "dpo",
        "policy": str(policy),
        "data": {"train": "rows"},
        "optim": {"items_per_step": 2},
    }
    return Recipe.model_validate(recipe | {"dtype": "float32"} | changes)


ONLINE = {"method": "grpo", "sampling": {"max_new_tokens": 5}, "online": {"group_size": 3}}


def test_a_step_is_sized_by_the_mean_row_and_filled_with_the_longest(pairs, tmp_path):
    work = work_of(recipe_of(tmp_path), pairs)
    assert [len(tree) for tree in work.longest] == sorted(map(len, pairs), reverse=True)[:2]
    assert work.each.tokens == pytest.approx(sum(map(len, pairs)) / 7)
    told = sum(2 * len(tree.prompt) + sum(map(len, tree.branches)) for tree in pairs)
    assert work.told == pytest.approx(told / 7)
    assert work.steps == 4


def test_prompts_get_a_group_of_full_length(tmp_path):
    work = online_work(recipe_of(tmp_path, **ONLINE), [Tree([4, 5], ()), Tree([4, 5, 6, 7], ())])
    assert [len(tree) for tree in work.longest] == [4 + 15, 2 + 15]
    assert work.each == TreeSizes(
        tokens=18, scored=15, depth=pytest.approx((3 + 10 + 3 * (2 + 4) * 5 + 90) / 2)
    )


@pytest.mark.parametrize(
    ("changes", "beside"),
    [
        ({}, False),  # its log-probabilities are kept
        ({"method": "kto"}, True),  # its pairs change
        ({"method": "kto", "lora": {"r": 2}}, False),  # the policy with its adapter off
        ({**ONLINE, "loss": {"kl_weight": 0.1}}, True),
        ({**ONLINE, "loss": {"kl_weight": 0.0}}, False),
    ],
)
def test_a_reference_of_its_own_takes_the_weights_again(model_folder, pairs, changes, beside):
    recipe = recipe_of(model_folder, **changes)
    trees = [Tree(tree.prompt, tree.branches[:1], (1.0,)) for tree in pairs]
    planned = OutlinedRun(recipe, work_of(recipe, trees), model_folder, gpu=False)
    whole = planned.outline.whole
    assert planned.beside() == (whole.frozen + whole.trained if beside else 0)


def test_a_gpu_gets_larger_passes_in_bfloat16(model_folder, pairs):
    recipe = recipe_of(model_folder, dtype="auto", lora={"r": 2})
    many = [Tree([3] * 300, (Branch([4] * 100, [True] * 100),) * 2) for _ in range(2)]
    work = work_of(recipe, many)
    here, there = (OutlinedRun(recipe, work, model_folder, gpu=gpu) for gpu in (False, True))
    assert there.precision.name == "bfloat16"
    assert len(there.passes()) == 1
    (span,) = there.passes()[0].spans or ()
    assert len(span.branches) == 1, "one path, whose attention keeps no scores"
    assert here.outline.whole.adapters == there.outline.whole.adapters
