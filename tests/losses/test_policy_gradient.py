"""Each expected number is worked out here by hand.

Most tests share ratios of 1/2, 1 and 2 over the policy that sampled, with advantages of both signs.
"""

import math

import pytest
import torch
from torch import Tensor

from truing.core.errors import ConfigError
from truing.losses.policy_gradient import (
    cispo,
    clipped_surrogate,
    clipped_value,
    dual_clip,
    gspo,
    gspo_token,
    high_entropy,
    reinforce,
    sampled_entropy,
    sapo,
    squared_value,
)

RATIOS = torch.tensor([0.5, 1.0, 2.0, 0.5, 1.0, 2.0])
OLD = torch.tensor([-2.0, -2.0, -2.0, -3.0, -3.0, -3.0])
ADVANTAGES = torch.tensor([3.0, 3.0, 3.0, -3.0, -3.0, -3.0])
LOG2 = math.log(2)


def policy() -> Tensor:
    return (OLD + RATIOS.log()).requires_grad_()


def gradient(losses: Tensor, logps: Tensor) -> list[float]:
    return torch.autograd.grad(losses.sum(), logps)[0].tolist()


def test_reinforce():
    logps = policy()
    losses = reinforce(logps, ADVANTAGES)
    torch.testing.assert_close(losses, -ADVANTAGES * logps)
    assert gradient(losses, logps) == (-ADVANTAGES).tolist()


def test_clipped_surrogate():
    logps = policy()
    losses = clipped_surrogate(logps, OLD, ADVANTAGES)
    assert losses.tolist() == pytest.approx([-1.5, -3.0, -3.6, 2.4, 3.0, 6.0])
    # No gradient at 2 for the better tokens, nor at 1/2 for the worse ones: there the clip holds.
    assert gradient(losses, logps) == pytest.approx([-1.5, -3.0, 0.0, 0.0, 3.0, 6.0])


def test_each_side_has_its_own_clip():
    losses = clipped_surrogate(policy(), OLD, ADVANTAGES, low=0.4, high=0.28)
    assert losses.tolist() == pytest.approx([-1.5, -3.0, -3 * 1.28, 3 * 0.6, 3.0, 6.0])


def test_dual_clip():
    logps = policy()
    losses = dual_clip(logps, OLD, ADVANTAGES, ratio_max=1.5)
    assert losses.tolist() == pytest.approx([-1.5, -3.0, -3.6, 2.4, 3.0, 4.5])
    assert gradient(losses, logps) == pytest.approx([-1.5, -3.0, 0.0, 0.0, 3.0, 0.0])


def test_dual_clip_with_its_papers_bound():
    losses = dual_clip(torch.tensor([0.0]), torch.tensor([-2.0]), torch.tensor([-1.0]))
    assert losses.item() == 3.0


def test_cispo():
    logps = policy()
    losses = cispo(logps, OLD, ADVANTAGES, ratio_min=0.8, ratio_max=1.5)
    weights = torch.tensor([0.8, 1.0, 1.5, 0.8, 1.0, 1.5])
    torch.testing.assert_close(losses, -weights * ADVANTAGES * logps)
    assert gradient(losses, logps) == pytest.approx((-weights * ADVANTAGES).tolist())


def test_cispo_with_scalerls_bound():
    losses = cispo(torch.tensor([-0.1]), torch.tensor([-9.0]), torch.tensor([2.0]))
    assert losses.item() == pytest.approx(5 * 2 * 0.1)


def test_sapo():
    logps = policy()
    losses = sapo(logps, OLD, ADVANTAGES, temperature=2.0, negative_temperature=4.0)
    sigmoid = {x: 1 / (1 + math.exp(-x)) for x in (-2, -1, 0, 2, 4)}
    expected = [*(-3 * 2 * sigmoid[x] for x in (-1, 0, 2)), *(3 * sigmoid[x] for x in (-2, 0, 4))]
    assert losses.tolist() == pytest.approx(expected)


def test_sapo_fades_where_the_ratio_is_far_from_one():
    logps = policy()
    slopes = gradient(sapo(logps, OLD, ADVANTAGES), logps)
    # 4 sigmoid'(1) = 0.786 and 4 sigmoid'(-1/2) = 0.94 of what a plain ratio would have.
    assert slopes[:3] == pytest.approx([-3 * 0.5 * 0.9400, -3.0, -3 * 2 * 0.7864], rel=1e-3)


RESPONSE = torch.tensor([0, 0, 0, 1, 1, 1])


def test_gspo():
    # Geometric means over the responses: (1/2 * 1 * 2)^(1/3) = 1 and (2 * 2 * 2)^(1/3) = 2.
    logps = (OLD + torch.tensor([0.5, 1.0, 2.0, 2.0, 2.0, 2.0]).log()).requires_grad_()
    losses = gspo(logps, OLD, ADVANTAGES, RESPONSE)
    assert losses.tolist() == pytest.approx([-3.0, -3.0, -3.0, 6.0, 6.0, 6.0])
    assert gradient(losses, logps) == pytest.approx([-3.0, -3.0, -3.0, 6.0, 6.0, 6.0])


def test_gspo_clips_a_whole_response():
    logps = (OLD + torch.tensor([1.001, 1.001, 1.001, 0.999, 0.999, 0.999]).log()).requires_grad_()
    losses = gspo(logps, OLD, ADVANTAGES, RESPONSE)
    assert losses.tolist() == pytest.approx([-3 * 1.0004] * 3 + [3 * 0.9997] * 3)
    assert gradient(losses, logps) == [0.0] * 6


def test_gspo_token_is_gspo_where_a_response_has_one_advantage():
    logps = policy()
    one, other = (loss(logps, OLD, ADVANTAGES, RESPONSE, low=0.5, high=0.5) for loss in (gspo, gspo_token))
    torch.testing.assert_close(one, other)
    assert gradient(one, logps) == pytest.approx(gradient(other, logps))


def test_gspo_token_gives_each_token_its_own_advantage():
    logps = policy()
    advantages = torch.tensor([1.0, 2.0, 0.0, -1.0, 4.0, 0.5])
    losses = gspo_token(logps, OLD, advantages, RESPONSE)  # both geometric means are 1
    assert gradient(losses, logps) == pytest.approx((-advantages).tolist())


VALUES, OLD_VALUES, RETURNS = (torch.tensor(x) for x in ([1.0, 1.0, 1.0], [1.0, 0.5, 0.5], [3.0, 3.0, 0.0]))


def test_squared_value():
    assert squared_value(VALUES, RETURNS).tolist() == [2.0, 2.0, 0.5]


def test_clipped_value():
    values = VALUES.clone().requires_grad_()
    losses = clipped_value(values, OLD_VALUES, RETURNS, value_clip=0.25)
    # The second value stepped from 0.5 to 1 towards 3 and counts as 0.75; the third stepped away from 0.
    assert losses.tolist() == pytest.approx([2.0, 2.25**2 / 2, 0.5])
    assert gradient(losses, values) == pytest.approx([-2.0, 0.0, 1.0])


def test_sampled_entropy_has_the_value_and_the_gradient_of_the_entropy_in_expectation():
    logits = torch.tensor([0.4, -1.0, 2.0, 0.0], dtype=torch.float64, requires_grad=True)
    logps = logits.log_softmax(0)
    exact = -(logps.exp() * logps).sum()
    estimate = (logps.exp().detach() * sampled_entropy(logps)).sum()
    torch.testing.assert_close(estimate, exact)
    torch.testing.assert_close(
        *(torch.autograd.grad(x, logits, retain_graph=True) for x in (estimate, exact))
    )


def test_high_entropy():
    entropy = torch.tensor([0.1, 2.0, 0.3, 0.2, 1.5, 0.0, 0.4, 0.5, 0.6, 0.7])
    assert high_entropy(entropy).nonzero().flatten().tolist() == [1, 4]
    assert high_entropy(entropy, share=0.3).nonzero().flatten().tolist() == [1, 4, 9]
    assert high_entropy(entropy, share=1.0).all()
    assert high_entropy(entropy, share=1e-6).nonzero().flatten().tolist() == [1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_equal_entropies_go_together(dtype: torch.dtype):
    assert high_entropy(torch.zeros(5, dtype=dtype)).tolist() == [True] * 5
    assert high_entropy(torch.zeros(0, dtype=dtype)).tolist() == []


@pytest.mark.parametrize("share", [0.0, 1.5, -0.1])
def test_a_share_that_is_none(share: float):
    with pytest.raises(ConfigError, match="above 0 and at most 1"):
        high_entropy(torch.zeros(5), share=share)
