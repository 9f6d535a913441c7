import pytest
import torch
from torch import Tensor

from truing.core.errors import ConfigError
from truing.objectives.binding import (
    Hyper,
    arguments_of,
    checked,
    closest,
    defaults_of,
    filled,
    lookup,
    names_of,
    needs,
    number_of,
    pick,
    supply,
)


def hinge(policy: Tensor, ref: Tensor, *, beta: float = 0.1, margin: float = 1.0) -> Tensor:
    return policy * beta - ref * margin


def simple(policy: Tensor, lengths: Tensor, *, gamma: float = 0.5) -> Tensor:
    return policy / lengths - gamma


TABLE = {"hinge": hinge, "simple": simple}


def test_a_known_loss_is_found():
    assert lookup(TABLE, "hinge") is hinge


def test_hyper_parameters_are_the_recipes_and_else_the_defaults():
    assert filled("hinge", hinge, {"margin": 2}) == {"beta": 0.1, "margin": 2}


@pytest.mark.parametrize(
    ("name", "hyper", "message"),
    [
        ("hing", {}, "no loss 'hing' for this method; known: hinge, simple; did you mean 'hinge'?"),
        ("xyz", {}, "no loss 'xyz' for this method; known: hinge, simple"),
        ("hinge", {"bta": 1.0}, "hinge takes ['beta', 'margin'], not 'bta'; did you mean 'beta'?"),
        ("simple", {"beta": 1.0}, "simple takes ['gamma'], not 'beta'"),
        ("hinge", {"beta": "0.1"}, "loss.beta is '0.1': expected a number"),
        ("hinge", {"beta": True}, "loss.beta is True: expected a number"),
        ("hinge", {"policy": 1.0}, "hinge takes ['beta', 'margin'], not 'policy'"),
    ],
)
def test_mistakes_name_what_exists(name: str, hyper: dict, message: str):
    with pytest.raises(ConfigError) as caught:
        filled(name, lookup(TABLE, name), hyper)
    assert str(caught.value) == message
    assert caught.value.exit_code == 2


def test_keys_of_the_objective_are_known_beside_the_losss_own():
    assert filled("hinge", hinge, {"sft_weight": 1.0}, {"sft_weight": 0.0}) == defaults_of(hinge)
    with pytest.raises(ConfigError, match="did you mean 'sft_weight'"):
        filled("hinge", hinge, {"sft_wieght": 1.0}, {"sft_weight": 0.0})


@pytest.mark.parametrize(
    ("value", "default"),
    [(3, 0.1), (0.5, 1), (0, 0.1), (True, False), ("js", "reverse_kl"), (3, {"dpo": 0.1, "ipo": 1})],
)
def test_a_value_of_the_kind_of_its_default_is_taken(value: Hyper, default: Hyper):
    assert checked("key", value, default) is value


@pytest.mark.parametrize(
    ("value", "default", "expected"),
    [
        (True, 1.0, "a number"),
        ("0.1", 1.0, "a number"),
        (1, False, "true or false"),
        ("true", False, "true or false"),
        (0.5, "reverse_kl", "a word"),
        (True, "reverse_kl", "a word"),
        (1, {"one": 0.1, "other": True}, "true or false"),  # of a mix whose parts take it as another kind
    ],
)
def test_a_value_of_another_kind_is_refused(value: Hyper, default: Hyper, expected: str):
    with pytest.raises(ConfigError) as caught:
        checked("key", value, default)
    assert str(caught.value) == f"loss.key is {value!r}: expected {expected}"


def test_only_a_near_name_is_offered():
    assert closest("dop", ["dpo", "sft"]) == "; did you mean 'dpo'?"
    assert closest("grpo9000", ["dpo", "sft"]) == ""


def test_the_signature_is_the_schema():
    assert defaults_of(hinge) == {"beta": 0.1, "margin": 1.0}
    assert defaults_of(lambda policy: policy) == {}
    assert (needs(hinge, "ref"), needs(simple, "ref"), needs(hinge, "beta")) == (True, False, False)
    assert arguments_of(hinge) == ["policy", "ref"]


def test_a_loss_gets_what_it_asks_for():
    given = {"policy": torch.ones(2), "ref": torch.zeros(2), "lengths": torch.full((2,), 4.0)}
    assert set(pick(hinge, given)) == {"policy", "ref"}
    assert simple(**pick(simple, given)).tolist() == [-0.25, -0.25]


def test_what_a_loss_does_not_ask_for_is_not_made():
    class Supplies:
        def policy(self) -> int:
            return 1

        def ref(self) -> int:
            raise AssertionError("made for nothing")

        def lengths(self) -> int:
            return 3

        def _inner(self) -> int:
            raise AssertionError("no argument has this name")

    assert supply(simple, Supplies()) == {"policy": 1, "lengths": 3}
    assert names_of(Supplies) == ("policy", "ref", "lengths")


def test_a_number_is_plain_or_the_default():
    assert number_of({"beta": 2}, "beta") == 2.0
    for hyper in ({}, {"beta": {"dpo": 0.1, "aot": 0.01}}, {"beta": "auto"}):
        assert number_of(hyper, "beta") == 1.0
