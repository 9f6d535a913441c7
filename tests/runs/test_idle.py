"""Settings that do nothing are named with the reason, and those that act are not."""

from typing import Any

import pytest

from truing.config.recipe import Recipe
from truing.methods.offline import OFFLINE, choose
from truing.methods.online import choose_online
from truing.runs.idle import idle_settings


def idle(method: str, **changes: Any) -> list[str]:
    recipe = Recipe.model_validate({"method": method, "policy": "p", "data": {"train": "t"}, **changes})
    how = choose if method in OFFLINE else choose_online
    return [line.split(" ")[0] for line in idle_settings(recipe, how(method, None, recipe.loss.hyper))]


@pytest.mark.parametrize(
    ("method", "changes", "key"),
    [
        ("dpo", {"lora": {"dropout": 0.1}}, "lora.dropout"),
        ("reward", {"lora": {"dropout": 0.1}}, "lora.dropout"),
        ("grpo", {"lora": {"dropout": 0.1}}, "lora.dropout"),
        ("dpo", {"sampling": {"temperature": 0.5}}, "sampling"),
        ("sft", {"online": {"group_size": 4}}, "online"),
        ("kto", {"critic": {"start": "policy"}}, "critic"),
        ("dpo", {"loss": {"sft_on": "sequence"}}, "loss.sft_on"),
        ("dpo", {"loss": {"divergence_alpha": 0.3}}, "loss.divergence_alpha"),
        ("dpo", {"data": {"train": "t", "retain_weight": 4.0}}, "data.retain_weight"),
        ("grpo", {"data": {"train": "t", "ptx_weight": 4.0}}, "data.ptx_weight"),
        ("sft", {"health": {"rollbacks": 5}}, "health.rollbacks"),
        ("sft", {"health": {"rules": {"loss_spikes": {"times": 4}}, "off": ["loss_spikes"]}}, "health.rules"),
        ("grpo", {"reference": "other"}, "reference"),
        ("grpo", {"critic": {"start": "policy"}}, "critic"),
        ("grpo", {"loss": {"value_weight": 0.5}}, "loss.value_weight"),
        ("grpo", {"loss": {"kl": "k2"}}, "loss.kl"),
        ("ppo", {"loss": {"kl_horizon": 5.0}}, "loss.kl_horizon"),
        ("grpo", {"online": {"target_kl": 0.1}}, "online.target_kl"),
        ("ppo", {"online": {"resample": 2}}, "online.resample"),
        ("grpo", {"sampling": {"timeout": 5.0}}, "sampling.timeout"),
    ],
)
def test_what_does_nothing_is_named(method, changes, key):
    assert idle(method, **changes) == [key]


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("sft", {"lora": {"dropout": 0.1}}),
        ("dpo", {"lora": {"dropout": 0.0}, "sampling": {"temperature": 1.0}}),
        ("orpo", {"loss": {"sft_on": "sequence"}}),
        ("dpo", {"loss": {"divergence": "alpha", "divergence_alpha": 0.3}}),
        ("ppo", {"critic": {"start": "policy"}, "reference": "other", "online": {"target_kl": 0.1}}),
        ("grpo", {"loss": {"kl_weight": 0.1, "kl": "k2"}, "reference": "other"}),
        ("sft", {"health": {"rollbacks": 5, "action": "rollback"}}),
    ],
)
def test_what_acts_is_not(method, changes):
    assert idle(method, **changes) == []
