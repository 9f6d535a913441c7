import pytest
import torch
from torch import Tensor

from truing.core.errors import ConfigError
from truing.methods.binding import closest, defaults_of, lookup, needs, number, pick


def hinge(policy: Tensor, ref: Tensor, *, beta: float = 0.1, margin: float = 1.0) -> Tensor:
    return policy * beta - ref * margin


def simple(policy: Tensor, lengths: Tensor, *, gamma: float = 0.5) -> Tensor:
    return policy / lengths - gamma


TABLE = {"hinge": hinge, "simple": simple}


def test_a_known_loss_is_found():
    assert lookup(TABLE, "hinge", {"beta": 0.3, "margin": 2}) is hinge


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
        lookup(TABLE, name, hyper)
    assert str(caught.value) == message
    assert caught.value.exit_code == 2


def test_keys_of_the_objective_are_known_beside_the_losss_own():
    assert lookup(TABLE, "hinge", {"sft_weight": 1.0}, ["sft_weight"]) is hinge
    with pytest.raises(ConfigError, match="did you mean 'sft_weight'"):
        lookup(TABLE, "hinge", {"sft_wieght": 1.0}, ["sft_weight"])


def test_a_number_is_a_number():
    assert number("beta", 3) == 3
    assert number("beta", 0.5) == 0.5


def test_only_a_near_name_is_offered():
    assert closest("dop", ["dpo", "sft"]) == "; did you mean 'dpo'?"
    assert closest("grpo9000", ["dpo", "sft"]) == ""


def test_the_signature_is_the_schema():
    assert defaults_of(hinge) == {"beta": 0.1, "margin": 1.0}
    assert defaults_of(lambda policy: policy) == {}
    assert (needs(hinge, "ref"), needs(simple, "ref"), needs(hinge, "beta")) == (True, False, False)


def test_a_loss_gets_what_it_asks_for():
    given = {"policy": torch.ones(2), "ref": torch.zeros(2), "lengths": torch.full((2,), 4.0)}
    assert set(pick(hinge, given)) == {"policy", "ref"}
    assert simple(**pick(simple, given)).tolist() == [-0.25, -0.25]  # pyright: ignore[reportArgumentType]
