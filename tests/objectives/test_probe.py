"""A trial of a loss on made-up rows tells whether rows depend on each other."""

import pytest
import torch

from truing.core.errors import ConfigError
from truing.losses.preference import dpo
from truing.objectives.mixing import Part
from truing.objectives.probe import is_coupled
from truing.objectives.shapes import PAIR, SCORED_PAIR


def coupled(loss, shape=PAIR) -> bool:
    return is_coupled(Part("mine", loss, (shape,)), shape, {})


def normalised(policy):
    margin = policy.chosen - policy.rejected
    return -(margin - margin.mean())


def test_rows_of_a_plain_loss_do_not_know_of_each_other():
    assert not coupled(dpo) and not coupled(lambda scores: -(scores.chosen - scores.rejected), SCORED_PAIR)


def test_a_baseline_over_the_pass_is_found():
    assert coupled(normalised)


def test_the_trial_leaves_the_generator_alone():
    before = torch.get_rng_state()
    coupled(dpo)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (lambda policy: policy.nothing, "mine fails on 7 made-up rows"),
        (lambda policy: 3.0, "mine gives a float: expected one number per"),
        (lambda policy: policy.chosen.sum(), r"mine gives a tensor of shape \[\]"),
        (lambda policy: policy.chosen.detach(), "mine gives numbers without a gradient"),
    ],
)
def test_what_is_no_loss_is_told(loss, said: str):
    with pytest.raises(ConfigError, match=said):
        coupled(loss)
