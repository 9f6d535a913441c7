"""Each expected number is worked out here by hand."""

import math

import pytest
import torch

from truing.losses.unpaired import apo_zero_unpaired, bco, kl_baseline, kto


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def row(*values: float) -> torch.Tensor:
    return torch.tensor(values)


def marks(text: str) -> torch.Tensor:
    """'+' desirable, '-' undesirable."""
    return torch.tensor([mark == "+" for mark in text])


def test_kto():
    # Both responses gained 2 nats and the baseline is 0.5, so beta (r - z) = 0.2 * 1.5 = 0.3.
    losses = kto(row(-1.0, -4.0), row(-3.0, -6.0), marks("+-"), torch.tensor(0.5), beta=0.2)
    assert losses.tolist() == pytest.approx([1 - sigmoid(0.3), 1 - sigmoid(-0.3)])


def test_kto_with_the_papers_beta():
    (loss,) = kto(row(-1.0), row(-3.0), marks("+"), torch.tensor(0.5)).tolist()
    assert loss == pytest.approx(1 - sigmoid(0.15))


@pytest.mark.parametrize("given", [(kto, (torch.tensor(0.7),)), (apo_zero_unpaired, ())], ids=["kto", "apo"])
def test_each_weight_multiplies_its_own_class(given):
    loss, kl = given
    policy, ref, desirable = row(-1.0, -4.0), row(-3.0, -3.0), marks("+-")
    plain = loss(policy, ref, desirable, *kl)
    weighted = loss(policy, ref, desirable, *kl, desirable_weight=1.33, undesirable_weight=0.5)
    torch.testing.assert_close(weighted, plain * row(1.33, 0.5))


def test_kto_far_below_the_baseline_costs_the_whole_weight_and_far_above_nothing():
    losses = kto(row(-1e4, 1e4), row(0.0, 0.0), marks("++"), torch.tensor(0.0), desirable_weight=1.33)
    assert losses.tolist() == pytest.approx([1.33, 0.0])


def test_kto_keeps_its_digits_where_almost_nothing_is_left_to_gain():
    # 1 - sigmoid(20) in f32 would be exactly 0.
    loss = kto(row(200.0), row(0.0), marks("+"), torch.tensor(0.0))
    assert loss.item() == pytest.approx(math.exp(-20), rel=1e-4)


def test_apo_zero_unpaired():
    # r is 2 and -1 nats, beta 0.5.
    losses = apo_zero_unpaired(row(-1.0, -4.0), row(-3.0, -3.0), marks("+-"), beta=0.5)
    assert losses.tolist() == pytest.approx([1 - sigmoid(1.0), sigmoid(-0.5)])


def test_apo_zero_unpaired_with_ktos_beta():
    assert apo_zero_unpaired(row(2.0), row(0.0), marks("-")).item() == pytest.approx(sigmoid(0.2))


def test_bco_shifts_by_the_midpoint_of_the_two_classes():
    # Rewards are 3, 1 of desirable and -1, 0, -2 of undesirable responses: means 2 and -1, midpoint 0.5.
    # The mean of all five would be 0.2.
    losses = bco(row(30.0, 10.0, -10.0, 0.0, -20.0), torch.zeros(5), marks("++---"))
    expected = [math.log(1 + math.exp(-x)) for x in (2.5, 0.5, 1.5, 0.5, 2.5)]
    assert losses.tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("mark", "sign"), [("+", 1), ("-", -1)])
def test_bco_of_one_class_shifts_by_its_mean(mark: str, sign: int):
    # Rewards 0.5 * (4, 2, 0) = 2, 1, 0 of mean 1.
    losses = bco(row(4.0, 2.0, 0.0), torch.zeros(3), marks(3 * mark), beta=0.5)
    assert losses.tolist() == pytest.approx([math.log(1 + math.exp(-sign * x)) for x in (1.0, 0.0, -1.0)])


def test_kl_baseline_is_the_mean_gain():
    assert kl_baseline(row(-1.0, -2.0), row(-2.0, -5.0)).item() == 2.0


def test_kl_baseline_of_one_response():
    assert kl_baseline(row(-1.0), row(-4.0)).item() == 3.0


def test_kl_baseline_is_never_negative_but_takes_the_mean_first():
    assert kl_baseline(row(-5.0, -5.0), row(-2.0, -4.0)).item() == 0.0
    assert kl_baseline(row(-5.0, -5.0), row(-2.0, -9.0)).item() == 0.5  # (-3 + 4) / 2


def test_kl_baseline_of_nothing_is_zero():
    assert kl_baseline(torch.empty(0), torch.empty(0)).item() == 0.0


def test_kl_baseline_has_no_gradient():
    assert not kl_baseline(row(-1.0).requires_grad_(), row(-4.0)).requires_grad


def test_kl_baseline_does_not_hide_a_nan():
    assert math.isnan(kl_baseline(row(math.nan, 1.0), row(0.0, 0.0)).item())
