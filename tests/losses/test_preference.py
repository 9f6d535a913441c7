"""Each expected number is worked out here by hand."""

import math

import pytest
import torch

from truing.losses.preference import Pair, dpo, dpo_positive


def pair(chosen: float, rejected: float) -> Pair:
    return Pair(torch.tensor([chosen]), torch.tensor([rejected]))


def test_gap_is_chosen_minus_rejected():
    assert pair(-1.0, -3.0).gap.item() == 2.0


def test_dpo():
    # The policy's gap is 2 and the reference's is 1, so the logit is 0.5 * (2 - 1).
    loss = dpo(pair(-1.0, -3.0), pair(-2.0, -3.0), beta=0.5)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-0.5)))


def test_dpo_with_flipped_labels_is_a_mixture_of_both_orders():
    policy, ref = pair(-1.0, -3.0), pair(-2.0, -3.5)
    right, wrong = dpo(policy, ref), dpo(Pair(*reversed(policy)), Pair(*reversed(ref)))
    assert right.item() != wrong.item()
    torch.testing.assert_close(dpo(policy, ref, label_smoothing=0.3), 0.7 * right + 0.3 * wrong)


def test_dpo_positive_is_dpo_where_the_chosen_response_gained():
    policy, ref = pair(-1.0, -3.0), pair(-2.0, -3.0)
    torch.testing.assert_close(dpo_positive(policy, ref, penalty=7.0), dpo(policy, ref))


def test_dpo_positive_pays_for_what_the_chosen_response_lost():
    # Gaps are 1 and 2 and the chosen response lost 1 nat: 0.1 * (1 - 2 - 5 * 1) = -0.6.
    loss = dpo_positive(pair(-3.0, -4.0), pair(-2.0, -4.0), beta=0.1, penalty=5.0)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(0.6)))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_a_policy_equal_to_its_reference_starts_at_log_two(smoothing: float):
    same = pair(-123.4, -56.7)
    assert dpo(same, same, label_smoothing=smoothing).item() == pytest.approx(math.log(2), abs=1e-6)
    assert dpo_positive(same, same).item() == pytest.approx(math.log(2), abs=1e-6)


def test_far_from_the_reference_the_loss_is_the_logit_itself():
    # log(1 + exp(x)) is x to all digits for x = 0.1 * 1e4, where exp(x) is no number any more.
    assert dpo(pair(-1e4, 0.0), pair(0.0, 0.0)).item() == pytest.approx(1000.0)
    assert dpo(pair(0.0, -1e4), pair(0.0, 0.0)).item() == 0.0
