"""Laws of every row of `REWARD_PAIR_LOSSES`, `RANKING_LOSSES` and `REGRESSION_LOSSES`."""

import math

import torch

from truing.losses.preference import Pair
from truing.losses.reward import RANKING_LOSSES, REGRESSION_LOSSES, REWARD_PAIR_LOSSES, bradley_terry
from truing.objectives.binding import Loss

from ..tables import each

EVERY_PAIR_LOSS = each("loss", REWARD_PAIR_LOSSES.values())
EVERY_RANKING_LOSS = each("loss", RANKING_LOSSES.values())
EVERY_REGRESSION_LOSS = each("loss", REGRESSION_LOSSES.values())
EVERY_DTYPE = each("dtype", [torch.float32, torch.bfloat16], ids=str)

# Three prompts of 3, 1 and 2 responses, mixed.
SCORES = torch.tensor([0.5, -1.0, 2.0, 0.3, -0.7, 1.1])
RANKS = torch.tensor([2, 1, 3, 1, 1, 2])
GROUP = torch.tensor([0, 2, 0, 1, 0, 2])


def pair(
    chosen: list[float], rejected: list[float], dtype: torch.dtype = torch.float32, grad: bool = True
) -> Pair:
    return Pair(*(torch.tensor(side, dtype=dtype, requires_grad=grad) for side in (chosen, rejected)))


@EVERY_PAIR_LOSS
@each("chosen", [1.5, 0.0, -1.5])
def test_the_chosen_score_is_pushed_up_and_the_rejected_down(loss: Loss, chosen: float):
    scores = pair([chosen], [0.0])
    loss(scores).sum().backward()
    assert scores.chosen.grad < 0 < scores.rejected.grad


@EVERY_PAIR_LOSS
def test_one_loss_per_pair_in_their_order(loss: Loss):
    scores, margin = pair([1.0, 2.0, 0.0], [0.5, -1.0, 3.0]), torch.tensor([0.1, 0.7, 0.4])
    order = torch.tensor([2, 0, 1])
    losses = loss(scores, margin)
    assert len(set(losses.tolist())) == 3, "three different pairs have three different losses"
    torch.testing.assert_close(loss(Pair(*(side[order] for side in scores)), margin[order]), losses[order])


@EVERY_PAIR_LOSS
def test_margins_of_zero_are_no_margins_and_a_larger_one_costs_more(loss: Loss):
    scores = pair([1.0, -2.0], [0.5, 1.0])
    plain = loss(scores)
    assert torch.equal(loss(scores, torch.zeros(2)), plain)
    assert (loss(scores, torch.full((2,), 0.3)) > plain).all()


@EVERY_PAIR_LOSS
def test_equal_scores_cost_log_two_wherever_they_lie(loss: Loss):
    losses = loss(pair([0.0, 7.5, -300.0], [0.0, 7.5, -300.0]))
    torch.testing.assert_close(losses, torch.full((3,), math.log(2)))


@EVERY_PAIR_LOSS
@EVERY_DTYPE
@each("hyper", [{}, {"center": 0.01}], ids=str)
@each("sides", [(-1e4, 0.0), (0.0, -1e4), (-1e4, -1e4), (0.0, 0.0)], ids=str)
def test_pair_losses_and_gradients_are_finite(loss: Loss, sides, hyper: dict, dtype: torch.dtype):
    scores = pair([sides[0]], [sides[1]], dtype)
    losses = loss(scores, torch.tensor([0.5], dtype=dtype), **hyper)
    losses.sum().backward()
    assert losses.dtype is dtype
    for number in (losses, scores.chosen.grad, scores.rejected.grad):
        assert torch.isfinite(number).all()


@EVERY_PAIR_LOSS
def test_a_pair_moves_no_other_pair(loss: Loss):
    scores = pair([1.0, 2.0], [0.5, -1.0])
    loss(scores)[0].backward()
    assert scores.chosen.grad[0] != 0 and scores.chosen.grad[1] == 0 == scores.rejected.grad[1]


@EVERY_RANKING_LOSS
def test_the_best_is_pushed_up_and_the_worst_down_as_much_in_all(loss: Loss):
    scores = SCORES.clone().requires_grad_()
    loss(scores, RANKS, GROUP).sum().backward()
    for best, worst in ((4, 2), (1, 5)):
        assert scores.grad[best] < 0 < scores.grad[worst]
    pushed = torch.zeros(3).index_add(0, GROUP, scores.grad)
    torch.testing.assert_close(pushed, torch.zeros(3), atol=1e-6, rtol=0)


@EVERY_RANKING_LOSS
def test_the_order_of_the_responses_does_not_matter(loss: Loss):
    losses = loss(SCORES, RANKS, GROUP)
    assert losses.shape == (3,) and len(set(losses.tolist())) == 3
    for order in (torch.tensor([5, 3, 1, 0, 2, 4]), torch.arange(5, -1, -1)):
        torch.testing.assert_close(loss(SCORES[order], RANKS[order], GROUP[order]), losses)


@EVERY_RANKING_LOSS
def test_only_the_order_of_the_ranks_matters(loss: Loss):
    torch.testing.assert_close(loss(SCORES, RANKS * 10.0 - 7, GROUP), loss(SCORES, RANKS, GROUP))


@EVERY_RANKING_LOSS
def test_a_score_common_to_a_prompt_does_not_matter(loss: Loss):
    lifted = SCORES + torch.tensor([3.0, -8.0, 0.5])[GROUP]
    torch.testing.assert_close(loss(lifted, RANKS, GROUP), loss(SCORES, RANKS, GROUP))


@EVERY_RANKING_LOSS
@each("prompt", [0, 1, 2])
def test_a_prompt_neither_sees_nor_moves_another(loss: Loss, prompt: int):
    mine = GROUP.eq(prompt)
    scores = torch.where(mine, SCORES, 1e4 * SCORES).requires_grad_()
    losses = loss(scores, RANKS, GROUP)
    alone = loss(SCORES[mine], RANKS[mine], torch.zeros_like(GROUP[mine]))
    torch.testing.assert_close(losses[prompt], alone[0])
    losses[prompt].backward()
    assert not scores.grad[~mine].any()
    assert scores.grad[mine].any() == (mine.sum() > 1)


@EVERY_RANKING_LOSS
@each("gap", [-2.0, 0.0, 1.5], ids=str)
def test_of_two_responses_it_is_bradley_terry(loss: Loss, gap: float):
    two = loss(torch.tensor([0.4, 0.4 + gap]), torch.tensor([2, 1]), torch.zeros(2, dtype=torch.long))
    torch.testing.assert_close(two, bradley_terry(pair([0.4 + gap], [0.4], grad=False)))


@EVERY_RANKING_LOSS
def test_one_response_has_nothing_to_learn(loss: Loss):
    score = torch.tensor([5.0], requires_grad=True)
    losses = loss(score, torch.tensor([1]), torch.tensor([0]))
    losses.sum().backward()
    assert losses.tolist() == [0.0] and score.grad.item() == 0.0


@EVERY_RANKING_LOSS
def test_no_responses_have_no_losses(loss: Loss):
    assert loss(SCORES[:0], RANKS[:0], GROUP[:0]).shape == (0,)


@EVERY_RANKING_LOSS
def test_the_right_order_costs_less_than_the_reverse(loss: Loss):
    scores, ranks = torch.tensor([3.0, 1.0, 0.0, -1.0]), torch.arange(4)
    group = torch.zeros(4, dtype=torch.long)
    assert loss(scores, ranks, group) < loss(scores.flip(0), ranks, group)


@EVERY_RANKING_LOSS
@EVERY_DTYPE
@each("far", [-1e4, 0.0], ids=str)
@each("at", range(6))
def test_ranking_losses_and_gradients_are_finite(loss: Loss, at: int, far: float, dtype: torch.dtype):
    scores = torch.zeros(6, dtype=dtype).index_fill(0, torch.tensor(at), far).requires_grad_()
    losses = loss(scores, RANKS, GROUP)
    losses.sum().backward()
    assert losses.dtype is dtype
    assert torch.isfinite(losses).all() and torch.isfinite(scores.grad).all()


@EVERY_REGRESSION_LOSS
def test_a_score_is_pushed_towards_its_target(loss: Loss):
    # A target of 0.5 is met by the score 0.5 or, of a logit, by 0: below both, and above both.
    scores = torch.tensor([-2.0, 3.0], requires_grad=True)
    loss(scores, torch.tensor([0.5, 0.5])).sum().backward()
    assert scores.grad[0] < 0 < scores.grad[1]


@EVERY_REGRESSION_LOSS
def test_one_loss_per_response_in_their_order(loss: Loss):
    target, order = torch.tensor([0.0, 1.0, 0.25, 1.0, 0.2, 0.5]), torch.tensor([5, 3, 1, 0, 2, 4])
    losses = loss(SCORES, target)
    assert len(set(losses.tolist())) == 6
    torch.testing.assert_close(loss(SCORES[order], target[order]), losses[order])


@EVERY_REGRESSION_LOSS
def test_no_gradient_crosses_from_one_response_to_another(loss: Loss):
    jacobian = torch.autograd.functional.jacobian(lambda scores: loss(scores, torch.zeros(6)), SCORES)
    assert jacobian.diagonal().all()
    assert torch.equal(jacobian, jacobian.diagonal().diag())


@EVERY_REGRESSION_LOSS
@EVERY_DTYPE
@each("target", [0.0, 0.5, 1.0], ids=str)
def test_regression_losses_and_gradients_are_finite(loss: Loss, target: float, dtype: torch.dtype):
    scores = torch.tensor([-1e4, 0.0, 1e4], dtype=dtype, requires_grad=True)
    losses = loss(scores, torch.full_like(scores, target))
    losses.sum().backward()
    assert losses.dtype is dtype
    assert torch.isfinite(losses).all() and torch.isfinite(scores.grad).all()
