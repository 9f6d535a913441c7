"""What every row of `PAIR_LOSSES` obeys, whatever its formula."""

import pytest
import torch

from truing.losses.preference import PAIR_LOSSES, Pair
from truing.methods.binding import Loss, pick

EVERY_LOSS = pytest.mark.parametrize("loss", PAIR_LOSSES.values(), ids=PAIR_LOSSES)


def apply(loss: Loss, policy: Pair, ref: Pair) -> torch.Tensor:
    lengths = Pair(torch.full_like(policy.chosen, 4.0), torch.full_like(policy.chosen, 6.0))
    return loss(**pick(loss, {"policy": policy, "ref": ref, "lengths": lengths}))


def pair(chosen: list[float], rejected: list[float], dtype: torch.dtype = torch.float32) -> Pair:
    return Pair(*(torch.tensor(side, dtype=dtype, requires_grad=True) for side in (chosen, rejected)))


@EVERY_LOSS
@pytest.mark.parametrize("chosen", [-4.5, -5.5], ids=["gained", "lost"])
def test_chosen_is_pushed_up_and_rejected_down(loss: Loss, chosen: float):
    policy = pair([chosen], [-5.0])
    apply(loss, policy, pair([-5.0], [-5.0])).sum().backward()
    assert policy.chosen.grad < 0 < policy.rejected.grad


@EVERY_LOSS
def test_one_loss_per_pair_and_their_order_is_that_of_the_pairs(loss: Loss):
    policy, ref = pair([-1.0, -7.0, -3.0], [-2.0, -4.0, -9.0]), pair([-2.0, -5.0, -3.5], [-2.5, -4.0, -6.0])
    order = torch.tensor([2, 0, 1])
    losses = apply(loss, policy, ref)
    shuffled = apply(loss, Pair(*(side[order] for side in policy)), Pair(*(side[order] for side in ref)))
    assert len(set(losses.tolist())) == 3, "three different pairs have three different losses"
    torch.testing.assert_close(shuffled, losses[order])


@EVERY_LOSS
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("far", [-1e4, -1.0], ids=str)
def test_value_and_gradient_are_finite_however_far_apart(loss: Loss, dtype: torch.dtype, far: float):
    for sides in (([far], [0.0]), ([0.0], [far]), ([far], [far])):
        policy = pair(*sides, dtype)
        losses = apply(loss, policy, pair([-1.0], [-2.0], dtype))
        losses.sum().backward()
        assert losses.dtype is dtype
        for number in (losses, policy.chosen.grad, policy.rejected.grad):
            assert torch.isfinite(number).all()
