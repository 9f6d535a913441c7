"""Values by hand; what an estimator's gradient is in expectation, by going through a vocabulary of five."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from truing.losses.kl import (
    KL_ESTIMATORS,
    WITHOUT_PULL,
    k1,
    k2,
    k3,
    k3_straight,
    k3_weighted,
    straight_through,
)
from truing.objectives.binding import needs, pick

LOGPS, REF = torch.tensor([-1.0, -3.0]), torch.tensor([-1.5, -1.0])  # x is 0.5 and -2


def test_values():
    assert k1(LOGPS, REF).tolist() == pytest.approx([0.5, -2.0])
    assert k2(LOGPS, REF).tolist() == pytest.approx([0.125, 2.0])
    expected = [math.exp(-0.5) - 1 + 0.5, math.exp(2) - 1 - 2]
    assert k3(LOGPS, REF).tolist() == pytest.approx(expected)
    assert k3_straight(LOGPS, REF).tolist() == pytest.approx(expected)
    # Half as likely and twice as likely as when sampled.
    old = LOGPS - torch.tensor([0.5, 2.0]).log()
    assert k3_weighted(LOGPS, REF, old).tolist() == pytest.approx([0.5 * expected[0], 2 * expected[1]])


def test_straight_through():
    x = torch.tensor(3.0, requires_grad=True)
    found = straight_through(x.square(), 5 * x)
    assert (found.item(), torch.autograd.grad(found, x)[0].item()) == (9.0, 5.0)


def test_k3_keeps_its_digits_where_both_agree():
    gap = torch.tensor([1e-3, -1e-4])
    plain = (-gap).exp() - 1 + gap
    assert k3(gap, torch.zeros(2)).tolist() == pytest.approx((gap.double().square() / 2).tolist(), rel=2e-3)
    assert plain.tolist() != pytest.approx((gap.double().square() / 2).tolist(), rel=0.5)


def test_k3_pulls_back_a_token_that_has_become_impossible():
    logps = torch.tensor([-45.0, -1e4], requires_grad=True)
    (slope,) = torch.autograd.grad(k3(logps, torch.zeros(2)).sum(), logps)
    assert (slope <= -math.exp(39)).all()
    assert torch.isfinite(slope).all()


REF_LOGITS = torch.tensor([0.3, -1.0, 0.8, 0.0, -0.4], dtype=torch.float64)
POLICY_LOGITS = torch.tensor([1.0, 0.2, -0.7, 0.5, -1.2], dtype=torch.float64)
OLD_LOGITS = torch.tensor([0.1, 0.9, -0.2, -0.5, 0.4], dtype=torch.float64)


def gradient(of: Callable[[Tensor], Tensor]) -> Tensor:
    """With respect to the policy's logits, `of` being a function of its log-probabilities."""
    logits = POLICY_LOGITS.clone().requires_grad_()
    of(logits.log_softmax(0)).backward()
    assert logits.grad is not None
    return logits.grad


def expected_gradient(name: str, sampled_from: Tensor) -> Tensor:
    estimator = KL_ESTIMATORS[name]
    chances = sampled_from.softmax(0)
    given = {"ref_logps": REF_LOGITS.log_softmax(0), "old_logps": sampled_from.log_softmax(0)}
    return gradient(lambda logps: (chances * estimator(**pick(estimator, {"logps": logps, **given}))).sum())


REF_LOGPS = REF_LOGITS.log_softmax(0)
REVERSE = gradient(lambda logps: (logps.exp() * (logps - REF_LOGPS)).sum())  # of KL(policy || ref)
FORWARD = gradient(lambda logps: (REF_LOGPS.exp() * (REF_LOGPS - logps)).sum())  # of KL(ref || policy)
EXPECTED = {
    "k1": torch.zeros_like(REVERSE),
    "k2": REVERSE,
    "k3": FORWARD,
    "k3_straight": REVERSE,
    "k3_weighted": REVERSE,
}


@pytest.mark.parametrize("name", KL_ESTIMATORS)
def test_the_expected_gradient_of_a_loss_over_tokens_of_the_policy(name: str):
    assert set(EXPECTED) == set(KL_ESTIMATORS)
    torch.testing.assert_close(expected_gradient(name, POLICY_LOGITS), EXPECTED[name])
    assert (name in WITHOUT_PULL) == (not EXPECTED[name].any())


def test_only_the_weighted_one_is_right_for_tokens_of_the_old_policy():
    for name in KL_ESTIMATORS:
        right = torch.allclose(expected_gradient(name, OLD_LOGITS), REVERSE)
        assert right == needs(KL_ESTIMATORS[name], "old_logps")


def test_k1_in_a_reward_has_the_gradient_of_the_kl():
    weight = (POLICY_LOGITS.softmax(0) * k1(POLICY_LOGITS.log_softmax(0), REF_LOGPS)).detach()
    torch.testing.assert_close(gradient(lambda logps: (weight * logps).sum()), REVERSE)


@pytest.mark.parametrize(("estimator", "biased"), [(k1, False), (k2, True), (k3, False)])
def test_the_expected_value(estimator: Callable[[Tensor, Tensor], Tensor], biased: bool):
    logps = POLICY_LOGITS.log_softmax(0)
    exact = (logps.exp() * (logps - REF_LOGPS)).sum()
    found = (logps.exp() * estimator(logps, REF_LOGPS)).sum()
    assert torch.isclose(found, exact).item() is not biased
