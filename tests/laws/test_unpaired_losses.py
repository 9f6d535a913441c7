"""Laws of every row of `UNPAIRED_LOSSES`, whatever its formula."""

import math

import torch

from truing.losses.unpaired import COUPLED_UNPAIRED_LOSSES, UNPAIRED_LOSSES, kl_baseline
from truing.objectives.binding import Loss, pick

from ..tables import each

EVERY_LOSS = each("loss", UNPAIRED_LOSSES.values())
AT_THE_REFERENCE = {"kto": 0.5, "apo_zero_unpaired": 0.5, "bco": math.log(2)}

POLICY = torch.tensor([-1.0, -7.0, -3.0, -6.0])
REF = torch.tensor([-2.0, -5.0, -3.5, -2.0])
DESIRABLE = torch.tensor([True, False, True, False])
ZERO = torch.tensor(0.0)


def apply(
    loss: Loss, policy: torch.Tensor, ref: torch.Tensor, desirable: torch.Tensor, kl: torch.Tensor = ZERO
) -> torch.Tensor:
    return loss(**pick(loss, {"policy": policy, "ref": ref, "desirable": desirable, "kl": kl}))


@EVERY_LOSS
@each("kl", [0.0, 1.5], ids=str)
@each("kept", [[0, 1, 2, 3], [0, 2], [1, 3], [0], [1]], ids=str)
def test_desirable_is_pushed_up_and_undesirable_down(loss: Loss, kept: list[int], kl: float):
    policy, desirable = POLICY[kept].requires_grad_(), DESIRABLE[kept]
    apply(loss, policy, REF[kept], desirable, torch.tensor(kl)).sum().backward()
    assert torch.equal(policy.grad < 0, desirable)
    assert policy.grad.all()


@EVERY_LOSS
def test_one_loss_per_response_and_their_order_is_that_of_the_responses(loss: Loss):
    order = torch.tensor([2, 0, 3, 1])
    losses = apply(loss, POLICY, REF, DESIRABLE)
    assert len(set(losses.tolist())) == 4, "four different responses have four different losses"
    torch.testing.assert_close(apply(loss, POLICY[order], REF[order], DESIRABLE[order]), losses[order])


@each("name", UNPAIRED_LOSSES)
@each("desirable", [DESIRABLE, DESIRABLE[:1], ~DESIRABLE[:1]])
def test_value_at_the_reference(name: str, desirable: torch.Tensor):
    same = REF[: len(desirable)]
    losses = apply(UNPAIRED_LOSSES[name], same, same, desirable)
    torch.testing.assert_close(losses, torch.full_like(same, AT_THE_REFERENCE[name]))


@EVERY_LOSS
def test_the_two_classes_are_mirror_images(loss: Loss):
    gain = POLICY - REF
    nothing = torch.zeros_like(gain)
    mirrored = apply(loss, -gain, nothing, ~DESIRABLE)
    torch.testing.assert_close(mirrored, apply(loss, gain, nothing, DESIRABLE))


@EVERY_LOSS
def test_a_loss_moves_its_own_response_and_no_other(loss: Loss):
    """No gradient through a shift: z, delta."""
    jacobian = torch.autograd.functional.jacobian(lambda policy: apply(loss, policy, REF, DESIRABLE), POLICY)
    assert jacobian.diagonal().all()
    assert torch.equal(jacobian, jacobian.diagonal().diag())


@EVERY_LOSS
def test_no_gradient_reaches_the_reference_or_the_baseline(loss: Loss):
    policy, ref, kl = (x.clone().requires_grad_() for x in (POLICY, REF, torch.tensor(0.3)))
    apply(loss, policy, ref, DESIRABLE, kl).sum().backward()
    assert policy.grad is not None
    assert ref.grad is None and kl.grad is None


@EVERY_LOSS
def test_no_gradient_reaches_the_mismatched_responses(loss: Loss):
    policy, mismatched = POLICY.clone().requires_grad_(), POLICY.clone().requires_grad_()
    apply(loss, policy, REF, DESIRABLE, kl_baseline(mismatched, REF - 5)).sum().backward()
    assert policy.grad is not None and mismatched.grad is None


@EVERY_LOSS
@each("dtype", [torch.float32, torch.bfloat16], ids=str)
@each("kl", [0.0, 1e4], ids=str)
@each("far", [[-1e4, 0.0, -1e4, 0.0], [0.0, -1e4], [-1e4, -1e4], [-1e4], [0.0]], ids=str)
@each("classes", [DESIRABLE, DESIRABLE | True, DESIRABLE & False])
def test_value_and_gradient_are_finite(loss: Loss, far: list[float], classes, kl: float, dtype: torch.dtype):
    policy = torch.tensor(far, dtype=dtype, requires_grad=True)
    ref = torch.full_like(policy, -1.0)
    losses = apply(loss, policy, ref, classes[: len(far)], torch.tensor(kl, dtype=dtype))
    losses.sum().backward()
    assert losses.dtype is dtype and losses.shape == policy.shape
    assert torch.isfinite(losses).all() and torch.isfinite(policy.grad).all()


@EVERY_LOSS
def test_of_no_responses_there_are_no_losses(loss: Loss):
    assert apply(loss, POLICY[:0], REF[:0], DESIRABLE[:0]).shape == (0,)


@each("name", UNPAIRED_LOSSES)
def test_splitting_the_batch_changes_exactly_the_coupled_losses(name: str):
    loss = UNPAIRED_LOSSES[name]
    whole = apply(loss, POLICY, REF, DESIRABLE)
    parts = [apply(loss, POLICY[at], REF[at], DESIRABLE[at]) for at in (slice(0, 2), slice(2, 4))]
    assert torch.allclose(whole, torch.cat(parts)) == (name not in COUPLED_UNPAIRED_LOSSES)


def test_the_tables_name_the_same_losses():
    assert set(UNPAIRED_LOSSES) >= COUPLED_UNPAIRED_LOSSES
    assert AT_THE_REFERENCE.keys() == UNPAIRED_LOSSES.keys()
