"""Each expected number is worked out here by hand.

Most tests share one pair: the policy moved the chosen response by 2 nats and the rejected one by -1, so
the margin is 3. With beta = log 2 the rewards are log 4 and -log 2, their sigmoids 4/5 and 1/3, and the
sigmoid of the margin is 8/9.
"""

import json
import math
from pathlib import Path

import pytest
import torch

from truing.core.errors import ConfigError
from truing.losses.preference import (
    Pair,
    aot,
    aot_unpaired,
    apo_down,
    apo_zero,
    bco_pair,
    discopop,
    dpo,
    dpo_positive,
    exo_pair,
    hinge,
    ipo,
    ipo_sum,
    nca_pair,
    per_token,
    robust,
    sigmoid_norm,
    sppo_hard,
    wpo,
)

VECTORS = Path(__file__).parents[3] / "shared/conformance/vectors.json"
LOG2 = math.log(2)


def pair(chosen: float, rejected: float) -> Pair:
    return Pair(torch.tensor([chosen]), torch.tensor([rejected]))


def pairs(chosen: list[float], rejected: list[float]) -> Pair:
    return Pair(torch.tensor(chosen), torch.tensor(rejected))


POLICY, REF, LENGTHS = pair(-1.0, -5.0), pair(-3.0, -4.0), pair(2.0, 4.0)


def softplus(x: float) -> float:
    return math.log(1 + math.exp(x))


P = torch.tensor([0.75])


def test_a_label_of_three_quarters_by_hand():
    """The margin is 3: with beta = log 2 its sigmoid is 8/9, and a swapped label has 1/9."""
    expected = -0.75 * math.log(8 / 9) - 0.25 * math.log(1 / 9)
    assert dpo(POLICY, REF, P, beta=LOG2).item() == pytest.approx(expected)
    # Of the labels that are right with 3/4, a fifth is swapped after all: .75·.8 + .25·.2 = .65.
    smoothed = dpo(POLICY, REF, P, beta=LOG2, label_smoothing=0.2).item()
    assert smoothed == pytest.approx(-0.65 * math.log(8 / 9) - 0.35 * math.log(1 / 9))
    # Robust DPO is linear in both logs: (.8·.75 - .2·.25)/.6 of one, (.8·.25 - .2·.75)/.6 of the other.
    found = robust(POLICY, REF, P, beta=LOG2, label_smoothing=0.2).item()
    assert found == pytest.approx(-0.55 / 0.6 * math.log(8 / 9) - 0.05 / 0.6 * math.log(1 / 9))


def test_squares_with_a_label_of_three_quarters_by_hand():
    """Targets of 5 and -5 against a margin of 3, and against 1.25 per token; 1/2 and -1/2 for either side."""
    assert ipo_sum(POLICY, REF, P, beta=0.1).item() == pytest.approx(0.75 * 4 + 0.25 * 64)
    # 2 nats over 2 tokens, less -1 over 4.
    assert ipo(POLICY, REF, LENGTHS, P, beta=0.1).item() == pytest.approx(0.75 * 3.75**2 + 0.25 * 6.25**2)
    # Chosen moved by 2, rejected by -1: (2 -+ .5)² and (-1 +- .5)².
    found = sppo_hard(POLICY, REF, P, beta=1.0).item()
    assert found == pytest.approx(0.75 * (2.25 + 0.25) + 0.25 * (6.25 + 2.25))


def test_the_penalty_of_dpo_positive_moves_with_the_label():
    """The chosen response gained, the rejected one lost a nat: the penalty is the swapped label's alone."""
    found = dpo_positive(POLICY, REF, P, beta=0.1, penalty=2.0).item()
    assert found == pytest.approx(0.75 * softplus(-0.3) + 0.25 * softplus(0.1 * (3 + 2)))


def test_gap_is_chosen_minus_rejected():
    assert pair(-1.0, -3.0).gap.item() == 2.0


def test_means_per_token_divide_each_side_by_its_own_length():
    assert per_token(POLICY, LENGTHS) == (-0.5, -1.25)


def test_dpo():
    # The policy's gap is 2 and the reference's is 1, so the logit is 0.5 * (2 - 1).
    loss = dpo(pair(-1.0, -3.0), pair(-2.0, -3.0), beta=0.5)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-0.5)))


def test_dpo_with_flipped_labels_is_a_mixture_of_both_orders():
    policy, ref = pair(-1.0, -3.0), pair(-2.0, -3.5)
    right, wrong = dpo(policy, ref), dpo(Pair(*reversed(policy)), Pair(*reversed(ref)))
    assert right.item() != wrong.item()
    torch.testing.assert_close(dpo(policy, ref, label_smoothing=0.3), 0.7 * right + 0.3 * wrong)


@pytest.mark.parametrize(
    ("divergence", "gap"),
    [
        ("reverse_kl", 2 * LOG2),  # log 2 - log 1/2
        ("forward_kl", 1.5),  # f' = 1 - 1/u: 1/2 and -1
        ("js", LOG2),  # f' = log 2u / (1 + u): log 4/3 and log 2/3
        ("alpha", math.sqrt(2)),  # f' = 2 (1 - 1/sqrt u): 2 - sqrt 2 and 2 - 2 sqrt 2
    ],
)
def test_each_divergence_puts_its_derivative_in_place_of_the_log_ratio(divergence: str, gap: float):
    # The policy says the chosen response twice as often as the reference, the rejected one half as often.
    policy, ref = pair(-3.0 + LOG2, -4.0 - LOG2), pair(-3.0, -4.0)
    loss = dpo(policy, ref, beta=0.5, divergence=divergence)
    assert loss.item() == pytest.approx(softplus(-0.5 * gap), rel=1e-6)
    smoothed = dpo(policy, ref, beta=0.5, divergence=divergence, label_smoothing=0.2)
    assert smoothed.item() == pytest.approx(softplus(-0.5 * gap) + 0.2 * 0.5 * gap, rel=1e-6)


@pytest.mark.parametrize(
    ("alpha", "same_as"), [(1.0, "forward_kl"), (0.0, "reverse_kl"), (1e-5, "reverse_kl")]
)
def test_the_alpha_divergence_goes_from_reverse_to_forward(alpha: float, same_as: str):
    between = dpo(POLICY, REF, divergence="alpha", divergence_alpha=alpha)
    torch.testing.assert_close(between, dpo(POLICY, REF, divergence=same_as), rtol=1e-5, atol=0)


def test_a_divergence_still_pulls_at_a_response_that_is_lost_for_good():
    policy = pair(-1000.0, -5.0)
    policy.chosen.requires_grad_()
    dpo(policy, REF, divergence="forward_kl").sum().backward()
    assert policy.chosen.grad is not None
    # The slope of exp at 40 nats: e^40, times beta.
    assert policy.chosen.grad.item() == pytest.approx(-0.1 * math.exp(40), rel=1e-5)


def test_an_unknown_divergence_names_the_known_ones():
    with pytest.raises(ConfigError, match="no divergence 'kl'; known: alpha, forward_kl, js, reverse_kl"):
        dpo(POLICY, REF, divergence="kl")


def test_dpo_positive_is_dpo_where_the_chosen_response_gained():
    policy, ref = pair(-1.0, -3.0), pair(-2.0, -3.0)
    torch.testing.assert_close(dpo_positive(policy, ref, penalty=7.0), dpo(policy, ref))


def test_dpo_positive_pays_for_what_the_chosen_response_lost():
    # Gaps are 1 and 2 and the chosen response lost 1 nat: 0.1 * (1 - 2 - 5 * 1) = -0.6.
    loss = dpo_positive(pair(-3.0, -4.0), pair(-2.0, -4.0), beta=0.1, penalty=5.0)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(0.6)))


@pytest.mark.skipif(not VECTORS.is_file(), reason=f"the shared numbers are not here: {VECTORS}")
def test_dpo_positive_agrees_with_the_shared_vectors():
    shared = json.loads(VECTORS.read_text())["dpop"]
    policy, ref = (
        Pair(*(torch.tensor(shared[name][side], dtype=torch.float64) for side in ("chosen", "rejected")))
        for name in ("policy", "ref")
    )
    losses = dpo_positive(policy, ref, beta=shared["beta"], penalty=shared["lambda"])
    assert losses.tolist() == pytest.approx(shared["per_pair"], abs=1e-6)


def test_robust_takes_a_line_from_dpo():
    # log(1 + e^x) = log(1 + e^-x) + x makes it DPO - e x / (1 - 2 e), here with x = 0.5 * 3 and e = 1/4.
    loss = robust(POLICY, REF, beta=0.5, label_smoothing=0.25)
    assert loss.item() == pytest.approx(softplus(-1.5) - 0.25 * 1.5 / 0.5)
    torch.testing.assert_close(robust(POLICY, REF, label_smoothing=0.0), dpo(POLICY, REF))


def test_robust_over_labels_swapped_at_its_rate_is_dpo_on_the_true_ones():
    right, wrong = (
        robust(*sides, label_smoothing=0.2)
        for sides in ((POLICY, REF), (Pair(*reversed(POLICY)), Pair(*reversed(REF))))
    )
    torch.testing.assert_close(0.8 * right + 0.2 * wrong, dpo(POLICY, REF))


@pytest.mark.parametrize("loss", [robust, exo_pair])
@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_of_swapped_labels_that_makes_no_sense_is_refused(loss, share: float):
    with pytest.raises(ConfigError, match=f"label_smoothing is {share}"):
        loss(POLICY, REF, label_smoothing=share)


def test_at_half_the_labels_swapped_robust_has_nothing_to_learn_from():
    with pytest.raises(ConfigError, match=r"below 0\.5"):
        robust(POLICY, REF, label_smoothing=0.5)


def test_ipo_aims_at_a_gap_per_token():
    # Per token the ratios are 2 / 2 and -1 / 4: a gap of 1.25, against targets of 1.25 and 1.
    assert ipo(POLICY, REF, LENGTHS, beta=0.4).item() == 0.0
    assert ipo(POLICY, REF, LENGTHS, beta=0.5).item() == pytest.approx(0.25**2)


def test_ipo_sum_aims_at_a_gap_of_whole_responses():
    # The margin is 3, against a target of 2.
    assert ipo_sum(POLICY, REF, beta=0.25).item() == pytest.approx(1.0)


def test_hinge_is_what_the_margin_lacks():
    assert hinge(POLICY, REF, beta=0.1).item() == pytest.approx(0.7)
    assert hinge(POLICY, REF, beta=0.5).item() == 0.0


def test_exo_is_the_divergence_of_two_coins():
    # A margin of 3 * log(3) / 3 makes the policy's preference 3/4; the labels' is 9/10.
    loss = exo_pair(POLICY, REF, beta=math.log(3) / 3, label_smoothing=0.1)
    assert loss.item() == pytest.approx(0.75 * math.log(0.75 / 0.9) + 0.25 * math.log(0.25 / 0.1))
    agreed = exo_pair(POLICY, REF, beta=math.log(3) / 3, label_smoothing=0.25)
    assert agreed.item() == pytest.approx(0.0, abs=1e-7)


def test_nca():
    expected = -math.log(4 / 5) - math.log(1 / 5) / 2 - math.log(2 / 3) / 2
    assert nca_pair(POLICY, REF, beta=LOG2).item() == pytest.approx(expected)


def test_bco_shifts_by_the_mean_reward_of_all_pairs():
    # One pair: the mean of log 4 and -log 2 is log(2) / 2, which leaves both sides 3/2 log 2.
    alone = bco_pair(POLICY, REF, beta=LOG2)
    assert alone.item() == pytest.approx(2 * softplus(-1.5 * LOG2))
    # A second pair with rewards log 4 and log 8 moves the mean from log(2) / 2 to 3/2 log 2.
    policy, ref = pairs([-1.0, 0.0], [-5.0, -1.0]), pairs([-3.0, -2.0], [-4.0, -4.0])
    both = bco_pair(policy, ref, beta=LOG2)
    assert both.tolist() == pytest.approx(
        [softplus(-0.5 * LOG2) + softplus(-2.5 * LOG2), softplus(-0.5 * LOG2) + softplus(1.5 * LOG2)]
    )


def test_bco_without_the_shift_classifies_each_side_alone():
    loss = bco_pair(POLICY, REF, beta=LOG2, shift=0.0)
    assert loss.item() == pytest.approx(-math.log(4 / 5) - math.log(2 / 3))


def test_the_shift_of_bco_is_a_constant():
    # The two pairs above: chosen rewards of log 4 both, and a shift of 3/2 log 2 that does not follow them.
    policy, ref = pairs([-1.0, 0.0], [-5.0, -1.0]), pairs([-3.0, -2.0], [-4.0, -4.0])
    policy.chosen.requires_grad_()
    bco_pair(policy, ref, beta=LOG2).sum().backward()
    assert policy.chosen.grad is not None
    assert policy.chosen.grad.tolist() == pytest.approx([-LOG2 / (1 + math.sqrt(2))] * 2)


def test_sppo_has_one_target_for_each_side():
    # Targets are 2 and -2; the sides stand at 2 and -1.
    assert sppo_hard(POLICY, REF, beta=0.25).item() == pytest.approx(1.0)


def test_aot_sets_gaps_of_the_same_rank_against_each_other():
    # Policy gaps 1, 5, 3 meet reference gaps 0, 7, 2.5, whose own order was 2.5, 0, 7.
    policy, ref = pairs([-1.0, -2.0, -3.0], [-2.0, -7.0, -6.0]), pairs([-1.0, -4.0, 0.0], [-3.5, -4.0, -7.0])
    assert aot(policy, ref, beta=1.0).tolist() == pytest.approx([softplus(-1), softplus(2), softplus(-0.5)])
    smoothed = aot(policy, ref, beta=1.0, label_smoothing=0.1).tolist()
    assert smoothed == pytest.approx([softplus(-1) + 0.1, softplus(2) - 0.2, softplus(-0.5) + 0.05])


def test_aot_unpaired_sets_ratios_of_the_same_rank_against_each_other():
    # Chosen ratios 1, 5, 3 meet rejected ratios -1, 4, 0, whose own order was 4, -1, 0.
    ref = pairs([-9.0, -8.0, -7.0], [-6.0, -5.0, -4.0])
    policy = pairs([-8.0, -3.0, -4.0], [-2.0, -6.0, -4.0])
    policy.rejected.requires_grad_()
    losses = aot_unpaired(policy, ref, beta=1.0)
    assert losses.tolist() == pytest.approx([softplus(-2), softplus(-1), softplus(-3)])
    losses.sum().backward()
    assert policy.rejected.grad is not None
    met = [1, 2, 3]  # the differences that the rejected responses take part in, in their own order
    assert policy.rejected.grad.tolist() == pytest.approx([1 / (1 + math.exp(d)) for d in met])
    smoothed = aot_unpaired(policy, ref, beta=1.0, label_smoothing=0.1).tolist()
    assert smoothed == pytest.approx([softplus(-2) + 0.2, softplus(-1) + 0.1, softplus(-3) + 0.3])


def test_apo_zero():
    assert apo_zero(POLICY, REF, beta=LOG2).item() == pytest.approx(1 / 5 + 1 / 3)


def test_apo_down():
    assert apo_down(POLICY, REF, beta=LOG2).item() == pytest.approx(4 / 5 + 1 / 9)


def test_apo_down_lowers_the_chosen_response_once_the_rejected_one_is_below():
    policy = pair(-3.0, -6.0)  # ratios 0 and -2: sigmoids 1/2 and, of the margin, 4/5
    policy.chosen.requires_grad_()
    apo_down(policy, REF, beta=LOG2).sum().backward()
    assert policy.chosen.grad is not None
    assert policy.chosen.grad.item() == pytest.approx(LOG2 * (1 / 4 - 4 / 25))


def test_discopop_mixes_a_logistic_and_an_exponential_loss():
    # x = log 2, so the two losses are log 3/2 and 1/2; the mix is sigmoid(log 2) = 2/3, or sigmoid(log 4).
    beta = LOG2 / 3
    even = discopop(POLICY, REF, beta=beta, temperature=1.0)
    assert even.item() == pytest.approx(1 / 3 * math.log(3 / 2) + 2 / 3 * 1 / 2)
    sharper = discopop(POLICY, REF, beta=beta, temperature=0.5)
    assert sharper.item() == pytest.approx(1 / 5 * math.log(3 / 2) + 4 / 5 * 1 / 2)


def test_discopop_is_logistic_on_pairs_that_are_far_wrong():
    wrong = pair(-203.0, 0.0)  # a margin of -204
    assert discopop(wrong, REF, beta=0.05).item() == pytest.approx(softplus(10.2))


def test_sigmoid_norm_compares_means_per_token():
    # A gap of 1.25 per token, with beta set for a sigmoid of 3/4.
    loss = sigmoid_norm(POLICY, REF, LENGTHS, beta=math.log(3) / 1.25)
    assert loss.item() == pytest.approx(-math.log(3 / 4))


def test_wpo_weighs_a_pair_by_how_the_policy_would_say_it():
    weights = pair(-1.0, -0.5)
    weights.chosen.requires_grad_()
    loss = wpo(POLICY, REF, weights, beta=LOG2)
    assert loss.item() == pytest.approx(math.exp(-1.5) * -math.log(8 / 9))
    assert not loss.requires_grad, "the weight is a constant"


def test_the_weight_of_wpo_is_at_most_one():
    assert wpo(POLICY, REF, pair(1.0, -0.25), beta=LOG2).item() == pytest.approx(-math.log(8 / 9))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_a_policy_equal_to_its_reference_starts_at_log_two(smoothing: float):
    same = pair(-123.4, -56.7)
    assert dpo(same, same, label_smoothing=smoothing).item() == pytest.approx(math.log(2), abs=1e-6)
    assert dpo_positive(same, same).item() == pytest.approx(math.log(2), abs=1e-6)


def test_far_from_the_reference_the_loss_is_the_logit_itself():
    # log(1 + exp(x)) is x to all digits for x = 0.1 * 1e4, where exp(x) is no number any more.
    assert dpo(pair(-1e4, 0.0), pair(0.0, 0.0)).item() == pytest.approx(1000.0)
    assert dpo(pair(0.0, -1e4), pair(0.0, 0.0)).item() == 0.0
