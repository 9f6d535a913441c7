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


@pytest.mark.parametrize(
    ("changes", "opened"),
    [
        ({}, True),
        ({"top_layers": 1}, True),
        ({"lora": {"r": 2}}, False),  # each row is met once: the policy with its adapter off
        ({"lora": {"r": 2}, "optim": {"items_per_step": 2, "epochs": 2}}, True),
        ({"method": "sft"}, False),
        ({"method": "kto"}, False),  # it stays open
    ],
)
def test_a_reference_whose_numbers_are_kept_is_open_before_the_first_step(
    model_folder, pairs, changes, opened
):
    recipe = recipe_of(model_folder, **changes)
    trees = [Tree(tree.prompt, tree.branches[:1], (1.0,)) for tree in pairs]
    planned = OutlinedRun(recipe, work_of(recipe, trees), model_folder, gpu=False)
    whole = planned.outline.whole
    assert planned.opening() == planned.needs(0).opening == (whole.frozen + whole.trained if opened else 0)


@pytest.mark.parametrize("changes", [{}, {"lora": {"r": 2}}, {"top_layers": 1}])
def test_a_critic_trains_beside_the_policy(model_folder, changes):
    """An adapter of its own under LoRA, else all weights of a second model; its passes come last."""
    recipe = recipe_of(model_folder, **ONLINE | {"method": "ppo"}, **changes)
    planned = OutlinedRun(recipe, online_work(recipe, [Tree([4, 5], ())]), model_folder, gpu=False)
    own, both = planned.outline.whole, planned.needs(0)
    trained = own.trained + (0 if "lora" in changes else own.frozen + own.trained)
    assert (both.whole.trained, both.whole.adapters) == (trained, 2 * own.adapters)
    assert both.learning.gradients == both.whole.trained + both.whole.adapters


def test_rows_are_padded_where_the_model_takes_no_packed_ones(model_folder, pairs, monkeypatch):
    recipe = recipe_of(model_folder)
    work = work_of(recipe, pairs)
    padded = OutlinedRun(recipe_of(model_folder, packing="padded"), work, model_folder, gpu=False)
    planned = OutlinedRun(recipe, work, model_folder, gpu=False)

    def refuse(*given, **others):
        raise ValueError("no trees")

    monkeypatch.setattr("truing.kernels.attention._require_known_rule", refuse)
    assert planned.learning == padded.learning
    assert planned.outline.scorer.layout == "padded"


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
