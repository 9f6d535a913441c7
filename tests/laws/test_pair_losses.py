"""Laws of every row of `PAIR_LOSSES` and `REFERENCE_FREE_LOSSES`, whatever its formula.

A new row is covered by being in its table; it must also state its value at the reference.
"""

import math
from functools import partial
from itertools import product

import pytest
import torch
from torch import Tensor

from truing.losses.preference import COUPLED_PAIR_LOSSES, DIVERGENCES, PAIR_LOSSES, Pair
from truing.losses.reference_free import REFERENCE_FREE_LOSSES
from truing.objectives.binding import Loss, needs, pick

from ..tables import each

LOSSES: dict[str, Loss] = {
    **PAIR_LOSSES,
    **{f"dpo-{name}": partial(PAIR_LOSSES["dpo"], divergence=name) for name in DIVERGENCES},
    **REFERENCE_FREE_LOSSES,
}
EVERY_LOSS = each("name", LOSSES)

# Where the policy is its reference; without one, where both responses are equally likely.
AT_REFERENCE = {
    **dict.fromkeys(["dpo", "dpo_positive", "robust", "aot", "aot_unpaired", "sigmoid_norm"], math.log(2)),
    **{f"dpo-{name}": math.log(2) for name in DIVERGENCES},
    **dict.fromkeys(["nca_pair", "bco_pair"], 2 * math.log(2)),  # two coins to call
    **dict.fromkeys(["ipo", "ipo_sum", "cpo_ipo"], 25.0),  # the square of 1 / (2 * 0.1)
    **dict.fromkeys(["hinge", "cpo_hinge"], 1.0),
    **dict.fromkeys(["apo_zero", "apo_down"], 1.0),  # two halves
    "exo_pair": math.log(0.5 / math.sqrt(0.001 * 0.999)),  # an even coin against one of 0.999
    "sppo_hard": 2 * 500.0**2,
    "discopop": (math.log(2) + 1) / 2,
    "wpo": math.exp(-0.5) * math.log(2),
    "cpo": math.log(2),
    "simpo": math.log(1 + math.e),  # short of its margin of 1
    "alphapo": math.log(1 + math.exp(0.1)),
    "orpo": 0.1 * math.log(2),
}

# The signs of the gradient, chosen and rejected, of losses that do not push chosen up and rejected down.
OTHER_SIGNS = {
    # While the rejected response has not moved, what the margin gives the chosen one its own term takes.
    "apo_down": (0, 1),
    # Near the reference the weight moves to the exponential loss, the larger one, faster than both fall.
    "discopop": (1, -1),
}


def apply(name: str, policy: Pair, ref: Pair, **others: Pair) -> Tensor:
    given = {
        "policy": policy,
        "ref": ref,
        "lengths": Pair(torch.full_like(policy.chosen, 4.0), torch.full_like(policy.chosen, 6.0)),
        "weights": Pair(torch.full_like(policy.chosen, -0.3), torch.full_like(policy.chosen, -0.2)),
        **others,
    }
    return LOSSES[name](**pick(LOSSES[name], given))


def pair(chosen: list[float], rejected: list[float], dtype: torch.dtype = torch.float32) -> Pair:
    return Pair(*(torch.tensor(side, dtype=dtype, requires_grad=True) for side in (chosen, rejected)))


def take(sides: Pair, rows: list[int]) -> Pair:
    return Pair(sides.chosen[rows], sides.rejected[rows])


# Three pairs; the order of their gaps under the policy is not the one under the reference.
POLICY, REF = pair([-1.0, -7.0, -3.0], [-2.0, -4.0, -9.0]), pair([-2.0, -5.0, -3.5], [-2.5, -7.5, -2.5])
OTHERS = {
    "lengths": pair([4.0, 2.0, 7.0], [6.0, 3.0, 5.0]),
    "weights": pair([-0.1, -0.5, -0.7], [-0.2, -0.4, -0.3]),
}


def of_rows(name: str, rows: list[int]) -> Tensor:
    others = {key: take(sides, rows) for key, sides in OTHERS.items()}
    return apply(name, take(POLICY, rows), take(REF, rows), **others)


@EVERY_LOSS
def test_the_value_at_the_reference(name: str):
    assert set(AT_REFERENCE) == set(LOSSES), "every loss states its number"
    if needs(LOSSES[name], "ref"):
        policy, others = pair([-3.0, -9.0], [-8.0, -2.0]), {}
    else:
        policy, others = pair([-5.0, -7.0], [-5.0, -7.0]), {"lengths": pair([4.0, 3.0], [4.0, 3.0])}
    losses = apply(name, policy, policy, **others)
    assert losses.tolist() == pytest.approx([AT_REFERENCE[name]] * 2, rel=1e-6)


def sign(gradient: Tensor | None) -> int:
    assert gradient is not None
    return 0 if gradient.abs() < 1e-7 else int(gradient.sign())


@EVERY_LOSS
@each("chosen", [-5.0, -4.5, -5.5])
def test_chosen_is_pushed_up_and_rejected_down(name: str, chosen: float):
    policy = pair([chosen], [-5.0])
    apply(name, policy, pair([-5.0], [-5.0])).sum().backward()
    assert (sign(policy.chosen.grad), sign(policy.rejected.grad)) == OTHER_SIGNS.get(name, (-1, 1))


@EVERY_LOSS
def test_one_loss_per_pair_and_their_order_is_that_of_the_pairs(name: str):
    losses = of_rows(name, [0, 1, 2])
    assert losses.shape == (3,)
    assert len(set(losses.tolist())) == 3, "three different pairs have three different losses"
    torch.testing.assert_close(of_rows(name, [2, 0, 1]), losses[[2, 0, 1]])


@EVERY_LOSS
def test_a_pair_knows_of_the_others_only_where_the_loss_is_marked_as_coupled(name: str):
    together, alone = of_rows(name, [0, 1, 2]), torch.cat([of_rows(name, [row]) for row in range(3)])
    apart = torch.isclose(together, alone, rtol=1e-5, atol=1e-6).all().item()
    assert apart == (name not in COUPLED_PAIR_LOSSES)
    if apart:
        (gradient,) = torch.autograd.grad(together[0], POLICY.chosen)
        assert gradient[1:].tolist() == [0.0, 0.0]


def test_the_mark_names_losses_of_the_table():
    assert set(PAIR_LOSSES) > COUPLED_PAIR_LOSSES
    assert not set(PAIR_LOSSES) & set(REFERENCE_FREE_LOSSES), "one name is one loss"


@EVERY_LOSS
def test_a_reference_runs_where_the_table_says(name: str):
    assert needs(LOSSES[name], "ref") == (name not in REFERENCE_FREE_LOSSES)


@EVERY_LOSS
def test_the_gradient_goes_to_the_policy_alone(name: str):
    policy, ref = pair([-4.0, -6.0], [-5.0, -3.0]), pair([-5.0, -5.0], [-5.5, -4.0])
    weights = pair([-0.3, -0.1], [-0.2, -0.6])
    apply(name, policy, ref, weights=weights).sum().backward()
    assert all(side.grad is not None and side.grad.abs().sum() > 0 for side in policy)
    assert all(side.grad is None for side in (*ref, *weights))


@EVERY_LOSS
@each("dtype", [torch.float32, torch.bfloat16], ids=str)
@each("length", [1.0, 30.0])
def test_value_and_gradient_are_finite_however_far_apart(name: str, dtype: torch.dtype, length: float):
    corners = zip(*product([0.0, -1.0, -1e4], repeat=4), strict=True)
    sides = [list(side) for side in corners]  # 81 pairs: equal, near and far, on all four sides
    policy, ref = pair(sides[0], sides[1], dtype), pair(sides[2], sides[3], dtype)
    lengths = Pair(*(torch.full_like(side, length).detach() for side in policy))
    weights = Pair(*(side.detach() for side in ref))
    losses = apply(name, policy, ref, lengths=lengths, weights=weights)
    losses.sum().backward()
    assert losses.dtype is dtype
    for number in (losses, policy.chosen.grad, policy.rejected.grad):
        assert number is not None
        assert torch.isfinite(number).all()
