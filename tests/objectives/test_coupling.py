"""A coupled loss cut into shares is the loss of all items, value and gradient: every loss that is coupled."""

import pytest
import torch
from torch import Tensor

from truing.losses.preference import PAIR_LOSSES, Pair
from truing.losses.unpaired import UNPAIRED_LOSSES
from truing.methods.offline import COUPLED
from truing.objectives.binding import Loss, pick
from truing.objectives.coupling import Given, shares

LOSSES = {**PAIR_LOSSES, **UNPAIRED_LOSSES}
SIZES = [3, 1, 4]
HYPER = {"beta": 0.7}


def leaf(seed: int) -> Tensor:
    """[8], the parameters."""
    return torch.randn(8, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def given(loss: Loss, theta: Tensor) -> Given:
    """Log-probabilities of eight items as functions of `theta`, and what else the loss takes."""
    desirable = torch.tensor([True, False, True, True, False, False, True, False])
    if loss.__name__ in PAIR_LOSSES:
        policy: Tensor | Pair = Pair(theta.square(), theta.roll(1) * 2)
        ref: Tensor | Pair = Pair(leaf(2).detach(), leaf(3).detach())
    else:
        policy, ref = theta.square() * theta.roll(1), leaf(2).detach()
    return pick(loss, {"policy": policy, "ref": ref, "desirable": desirable})


def cut(value: Tensor | Pair) -> list[Tensor | Pair]:
    """Eight items as passes of 3, 1 and 4."""
    if isinstance(value, Pair):
        return [Pair(*parts) for parts in zip(*(side.split(SIZES) for side in value), strict=True)]
    return list(value.split(SIZES))


def without_gradient(value: Tensor | Pair) -> Tensor | Pair:
    return Pair(*(side.detach() for side in value)) if isinstance(value, Pair) else value.detach()


@pytest.mark.parametrize("name", sorted(COUPLED))
def test_shares_add_up_to_the_loss_of_all_items(name: str):
    loss, theta = LOSSES[name], leaf(1)
    whole = given(loss, theta)
    expected = loss(**whole, **HYPER)
    (slope,) = torch.autograd.grad(expected.sum(), theta, retain_graph=True)

    passes = [dict(zip(whole, parts, strict=True)) for parts in zip(*map(cut, whole.values()), strict=True)]
    still = [{key: without_gradient(value) for key, value in one.items()} for one in passes]
    with torch.no_grad():
        found = shares(loss, still, HYPER)
    replayed = [share.replay(one["policy"]) for share, one in zip(found, passes, strict=True)]
    torch.testing.assert_close(torch.cat(replayed), expected)
    grads = [torch.autograd.grad(part.sum(), theta, retain_graph=True)[0] for part in replayed]
    torch.testing.assert_close(torch.stack(grads).sum(0), slope)

    alone = torch.cat([loss(**one, **HYPER) for one in passes])
    assert (alone - expected).abs().max() > 0.01, "pass by pass it is another loss"
