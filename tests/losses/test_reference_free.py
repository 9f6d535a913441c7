"""Each expected number is worked out here by hand; the numerics these losses stand on are tested below them.

Most tests share one pair: log-probabilities -2 and -12 over 2 and 4 tokens, so the means are -1 and -3.
"""

import json
import math
from pathlib import Path

import pytest
import torch

from truing.losses.numerics import NATS, log1mexp, logistic, power_log
from truing.losses.preference import Pair
from truing.losses.reference_free import alphapo, cpo, cpo_hinge, cpo_ipo, orpo, simpo

VECTORS = Path(__file__).parents[3] / "shared/conformance/vectors.json"


def pair(chosen: float, rejected: float) -> Pair:
    return Pair(torch.tensor([chosen]), torch.tensor([rejected]))


POLICY, LENGTHS = pair(-2.0, -12.0), pair(2.0, 4.0)


def softplus(x: float) -> float:
    return math.log(1 + math.exp(x))


def test_cpo():
    # The gap is 10; with beta = log(3) / 10 the sigmoid is 3/4.
    beta = math.log(3) / 10
    assert cpo(POLICY, beta=beta).item() == pytest.approx(-math.log(3 / 4))
    smoothed = cpo(POLICY, beta=beta, label_smoothing=0.2)
    assert smoothed.item() == pytest.approx(-0.8 * math.log(3 / 4) - 0.2 * math.log(1 / 4))


def test_labels_with_a_probability_by_hand():
    """The gap is 10 in all and 2 per token."""
    p = torch.tensor([0.75])
    expected = -0.75 * math.log(3 / 4) - 0.25 * math.log(1 / 4)
    assert cpo(POLICY, p, beta=math.log(3) / 10).item() == pytest.approx(expected)
    assert cpo_ipo(POLICY, LENGTHS, p, beta=0.25).item() == pytest.approx(0.25 * 16)
    expected = 0.75 * softplus(-(0.3 * 2 - 0.1)) + 0.25 * softplus(0.3 * 2 + 0.1)
    assert simpo(POLICY, LENGTHS, p, beta=0.3, gamma=0.1).item() == pytest.approx(expected)
    assert alphapo(POLICY, LENGTHS, p, beta=0.3, gamma=0.1, alpha=0).item() == pytest.approx(expected)


def test_cpo_hinge_is_what_the_gap_lacks():
    assert cpo_hinge(POLICY, beta=0.07).item() == pytest.approx(0.3)
    assert cpo_hinge(POLICY, beta=0.2).item() == 0.0


def test_cpo_ipo_aims_at_a_gap_per_token():
    # The gap is 2 per token, against targets of 2 and 5.
    assert cpo_ipo(POLICY, LENGTHS, beta=0.25).item() == 0.0
    assert cpo_ipo(POLICY, LENGTHS, beta=0.1).item() == pytest.approx(9.0)


def test_simpo_asks_for_a_margin_in_units_of_reward():
    # A gap of 2 per token, times 1.5, is 3; less the margin of 1 it is 2.
    assert simpo(POLICY, LENGTHS, beta=1.5, gamma=1.0).item() == pytest.approx(softplus(-2))


def test_simpo_ignores_length():
    two_tokens = simpo(pair(-2.0, -4.0), lengths=pair(2.0, 2.0))
    twenty_tokens = simpo(pair(-20.0, -40.0), lengths=pair(20.0, 20.0))
    torch.testing.assert_close(two_tokens, twenty_tokens)


def test_alphapo_bends_the_reward():
    # Means -log 4 and -log 16: at alpha 1/2, (1 - 4^(1/2)) * 2 = -2 and (1 - 16^(1/2)) * 2 = -6.
    policy = pair(-2 * math.log(4), -4 * math.log(16))
    loss = alphapo(policy, LENGTHS, beta=0.75, gamma=0.5, alpha=0.5)
    assert loss.item() == pytest.approx(softplus(-(0.75 * 4 - 0.5)))


def test_alphapo_without_bend_is_simpo():
    straight = alphapo(POLICY, LENGTHS, beta=2.0, gamma=0.3, alpha=0.0)
    torch.testing.assert_close(straight, simpo(POLICY, LENGTHS, beta=2.0, gamma=0.3))


def test_orpo_compares_odds_of_the_mean_token():
    # Probabilities 2/3 and 1/3 per token have the odds 2 and 1/2: a ratio of 4, whose sigmoid is 4/5.
    policy = pair(2 * math.log(2 / 3), 4 * math.log(1 / 3))
    assert orpo(policy, LENGTHS, beta=0.5).item() == pytest.approx(-0.5 * math.log(4 / 5))


def test_orpo_tells_certain_responses_apart():
    # 1 - p is 1e-6 and 2e-6: odds of 2 to 1, where log1p(-exp(x)) in f32 has lost the digits.
    policy = Pair(torch.tensor([-1e-6]), torch.tensor([-2e-6]))
    assert orpo(policy, pair(1.0, 1.0), beta=1.0).item() == pytest.approx(-math.log(2 / 3), rel=1e-4)


@pytest.mark.skipif(not VECTORS.is_file(), reason=f"the shared numbers are not here: {VECTORS}")
def test_log1mexp_agrees_with_the_shared_vectors():
    shared = json.loads(VECTORS.read_text())["log1mexp"]
    for dtype, within in ((torch.float64, 1e-6), (torch.float32, 1e-5)):
        y = log1mexp(torch.tensor(shared["x"], dtype=dtype))
        assert y.tolist() == pytest.approx(shared["y"], abs=within)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_log1mexp_is_finite_at_certainty(dtype: torch.dtype):
    x = torch.tensor([0.0, -1e-30, -1e-9, -math.log(2), -50.0, -1e4], dtype=dtype, requires_grad=True)
    y = log1mexp(x)
    y.sum().backward()
    assert x.grad is not None
    assert torch.isfinite(y).all()
    assert torch.isfinite(x.grad).all()
    assert y[:2].tolist() == [-NATS, -NATS]
    assert x.grad[:2].tolist() == [0.0, 0.0]
    assert y[4:].tolist() == pytest.approx([0.0, 0.0], abs=1e-20)
    assert y[2].item() == pytest.approx(math.log(1e-9), rel=1e-2)


@pytest.mark.parametrize("p", [0.01, 0.3, 0.499, 0.501, 0.9, 0.999])
def test_log1mexp_and_its_slope_on_both_sides_of_the_switch(p: float):
    x = torch.tensor(math.log(p), dtype=torch.float64, requires_grad=True)
    y = log1mexp(x)
    y.backward()
    assert x.grad is not None
    assert y.item() == pytest.approx(math.log(1 - p), rel=1e-9)
    assert x.grad.item() == pytest.approx(-p / (1 - p), rel=1e-9)


def test_log1mexp_keeps_its_digits_far_below():
    # log(1 - q) is -q for a q of 2e-9, where 1 - q is 1 in f32.
    assert log1mexp(torch.tensor(-20.0)).item() == pytest.approx(-math.exp(-20), rel=1e-6)


def test_power_log_meets_the_formula_and_its_limit():
    u = 5.0
    logs = torch.tensor(math.log(u), dtype=torch.float64)
    for alpha in (-0.5, 0.25, 1.0):
        assert power_log(logs, alpha).item() == pytest.approx((1 - u**-alpha) / alpha)
    assert power_log(logs, 0.0).item() == math.log(u)
    assert power_log(logs.float(), 1e-7).item() == pytest.approx(math.log(u), rel=1e-6)


@pytest.mark.parametrize("alpha", [0.25, 1.0])
def test_power_log_goes_straight_where_exp_would_overflow(alpha: float):
    at = torch.tensor([0.0, 1.0, 2.0, 1000.0]) + NATS  # nats past the end of the exponent, plus 40
    logs = (-at / alpha).requires_grad_()
    y = power_log(logs, alpha)
    y.sum().backward()
    assert logs.grad is not None
    steps = [1.0, 2.0, 3.0, 1001.0]  # e^40 and one more e^40 with each nat
    assert y.tolist() == pytest.approx([-math.exp(NATS) * n / alpha for n in steps], rel=1e-5)
    assert logs.grad[1:].tolist() == pytest.approx([math.exp(NATS)] * 3, rel=1e-5)


def test_logistic_is_a_mixture_over_swapped_labels():
    logits = torch.tensor([math.log(3.0), -1e4])
    assert logistic(logits).tolist() == pytest.approx([-math.log(3 / 4), 1e4])
    mixed = logistic(logits, 0.25)
    assert mixed.tolist() == pytest.approx([-0.75 * math.log(3 / 4) - 0.25 * math.log(1 / 4), 7500.0])
