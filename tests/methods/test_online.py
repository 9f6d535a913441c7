"""The table of online methods: its rows, and what a recipe may choose of their functions."""

import pytest

from truing.core.errors import ConfigError
from truing.losses.credit import CREDITS
from truing.losses.policy_gradient import POLICY_LOSSES
from truing.methods.online import ONLINE, choose_online


def test_every_row_of_the_table_is_bound_with_its_own_defaults():
    for name, method in ONLINE.items():
        chosen = choose_online(name, None)
        assert chosen.loss.name == method.loss and chosen.settings == method.settings


def test_every_row_names_rows_of_the_tables():
    for method in ONLINE.values():
        assert method.loss in POLICY_LOSSES and method.credit in CREDITS


def test_a_function_of_a_recipe_takes_the_place_of_the_methods_own():
    chosen = choose_online("grpo", "cispo", {"ratio_max": 3.0, "credit": "leave_one_out"})
    assert (chosen.loss.name, chosen.loss.hyper["ratio_max"]) == ("cispo", 3.0)
    assert chosen.credit.name == "leave_one_out"
    with pytest.raises(ConfigError, match="did you mean 'cispo'"):
        choose_online("grpo", "cipso")
