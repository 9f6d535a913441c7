"""Settings that do nothing are named with the reason, and those that act are not."""

from typing import Any

import pytest

from truing.config.recipe import Recipe
from truing.core.errors import ConfigError
from truing.methods.offline import OFFLINE, Chosen, choose
from truing.methods.online import choose_online
from truing.objectives.choices import ChosenOnline
from truing.runs.idle import idle_settings, require_used

from ..tables import each


def chosen_by(method: str, **changes: Any) -> tuple[Recipe, Chosen | ChosenOnline]:
    recipe = Recipe.model_validate({"method": method, "policy": "p", "data": {"train": "t"}, **changes})
    how = choose if method in OFFLINE else choose_online
    return recipe, how(method, None, recipe.loss.hyper)


def idle(method: str, **changes: Any) -> list[str]:
    return [line.split(" ")[0] for line in idle_settings(*chosen_by(method, **changes))]


@each(
    ("method", "changes", "key"),
    [
        ("dpo", {"lora": {"dropout": 0.1}}, "lora.dropout"),
        ("reward", {"lora": {"dropout": 0.1}}, "lora.dropout"),
        ("grpo", {"lora": {"dropout": 0.1}}, "lora.dropout"),
        ("dpo", {"loss": {"sft_on": "sequence"}}, "loss.sft_on"),
        ("dpo", {"loss": {"divergence_alpha": 0.3}}, "loss.divergence_alpha"),
        ("dpo", {"data": {"train": "t", "retain_weight": 4.0}}, "data.retain_weight"),
        ("dpo", {"data": {"train": "t", "retain_per_step": 4}}, "data.retain_per_step"),
        ("grpo", {"data": {"train": "t", "ptx_weight": 4.0}}, "data.ptx_weight"),
        ("sft", {"health": {"rollbacks": 5}}, "health.rollbacks"),
        ("sft", {"health": {"rules": {"loss_spikes": {"times": 4}}, "off": ["loss_spikes"]}}, "health.rules"),
        ("grpo", {"loss": {"value_weight": 0.5}}, "loss.value_weight"),
        ("grpo", {"loss": {"kl": "k2"}}, "loss.kl"),
        ("ppo", {"loss": {"kl_horizon": 5.0}}, "loss.kl_horizon"),
        ("grpo", {"online": {"target_kl": 0.1}}, "online.target_kl"),
        ("ppo", {"online": {"resample": 2}}, "online.resample"),
        ("grpo", {"sampling": {"timeout": 5.0}}, "sampling.timeout"),
        ("grpo", {"sampling": {"wait": 5.0}}, "sampling.wait"),
        ("grpo", {"online": {"max_staleness": 2}}, "online.max_staleness"),
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


@pytest.mark.parametrize(
    ("method", "changes", "told"),
    [
        ("cpo", {"reference": "other"}, "reference is not read: cpo compares the policy with none"),
        ("grpo", {"reference": "other"}, "reference is not read: loss.kl_weight is 0"),
        ("grpo", {"critic": {"start": "policy"}}, "critic is not read: group_standardised asks no critic"),
    ],
)
def test_a_model_that_the_loss_does_not_ask_for_is_refused(method, changes, told):
    with pytest.raises(ConfigError, match=told) as error:
        require_used(*chosen_by(method, **changes))
    assert "under loss:" in error.value.hint


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("dpo", {"reference": "other"}),
        ("grpo", {"reference": "other", "loss": {"kl_weight": 0.1}}),
        ("grpo", {"critic": {"start": "policy"}, "loss": {"credit": "gae"}}),
    ],
)
def test_a_model_that_it_asks_for_is_not(method, changes):
    require_used(*chosen_by(method, **changes))
