"""Plain formulas where they are finite, and finite values and gradients where they are not."""

import math

import pytest
import torch

from truing.losses.numerics import NATS, log1mexp, logistic, power_log

FAR = torch.tensor([-1e4, -50.0, -1.0, 0.0, 1.0, 50.0, 1e4])


def gradient(function, at: torch.Tensor) -> torch.Tensor:
    at = at.clone().requires_grad_()
    function(at).sum().backward()
    assert at.grad is not None
    return at.grad


def test_logistic_is_minus_log_sigmoid():
    assert logistic(torch.tensor(0.0)).item() == pytest.approx(math.log(2))
    assert logistic(torch.tensor(2.0)).item() == pytest.approx(math.log(1 + math.exp(-2)))


def test_swapped_labels_weigh_their_share():
    """0.9 log(1 + e^-2) + 0.1 log(1 + e^2)."""
    expected = 0.9 * math.log(1 + math.exp(-2)) + 0.1 * math.log(1 + math.exp(2))
    assert logistic(torch.tensor(2.0), 0.1).item() == pytest.approx(expected)


def test_the_complement_of_an_event():
    for p in (1e-12, 0.1, 0.5, 0.9, 0.999):
        found = log1mexp(torch.tensor(math.log(p), dtype=torch.float64)).item()
        assert found == pytest.approx(math.log1p(-p), rel=1e-9)
    assert log1mexp(torch.tensor(0.0)).item() == pytest.approx(-NATS, rel=1e-3)


def test_a_power_tends_to_the_logarithm():
    logs = torch.tensor([-3.0, -0.5, 0.0, 0.7])
    assert power_log(logs, 0.0) is logs
    torch.testing.assert_close(power_log(logs, 1e-4), logs, atol=1e-3, rtol=0)
    torch.testing.assert_close(power_log(logs, 0.5), (1 - logs.exp() ** -0.5) / 0.5)


def test_values_and_gradients_stay_finite_and_pull_back():
    below = FAR[FAR <= 0]
    for function, at in ((logistic, FAR), (log1mexp, below), (lambda x: power_log(x, 0.5), FAR)):
        assert function(at).isfinite().all() and gradient(function, at).isfinite().all()
    assert gradient(lambda x: power_log(x, 0.5), torch.tensor([-1e4]))[0] > 0
