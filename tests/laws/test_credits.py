"""Laws of every row of `CREDITS`, whatever its formula. A new row is covered by being in its table."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from truing.losses.credit import CREDITS, token_rewards
from truing.objectives.binding import checked, defaults_of, needs, pick

from ..tables import each

Credit = Callable[..., Tensor]
GROUPED = {name: credit for name, credit in CREDITS.items() if needs(credit, "group")}
EVERY_CREDIT = each("credit", CREDITS.values())
EVERY_GROUPED = each("credit", GROUPED.values())

REWARDS = torch.tensor([1.0, 7.0, 0.0, 3.0, 5.0, 4.0])
GROUP = torch.tensor([0, 1, 0, 2, 0, 1])  # three, two and one
RESPONSE = torch.arange(6).repeat_interleave(torch.tensor([2, 1, 4, 3, 2, 5]))


def apply(credit: Credit, rewards: Tensor, group: Tensor = GROUP, response: Tensor = RESPONSE):
    """Advantages, with a critic that expects nothing and a policy that is its reference."""
    nothing = torch.zeros(len(response), dtype=rewards.dtype)
    given = {
        "rewards": rewards,
        "group": group,
        "response": response,
        "values": nothing,
        "token_rewards": token_rewards(rewards, nothing, response),
    }
    return credit(**pick(credit, given))


def per_response(credit: Credit, rewards: Tensor) -> Tensor:
    """[B]: of a credit per token that of the last one."""
    found = apply(credit, rewards)
    return found[RESPONSE.bincount().cumsum(0) - 1] if needs(credit, "response") else found


@EVERY_CREDIT
def test_what_a_credit_takes_says_what_it_gives(credit: Credit):
    assert len(apply(credit, REWARDS)) == len(RESPONSE if needs(credit, "response") else REWARDS)


@EVERY_CREDIT
def test_advantages_are_constants(credit: Credit):
    assert not apply(credit, REWARDS.clone().requires_grad_()).requires_grad


@EVERY_CREDIT
def test_a_better_response_has_the_larger_advantage_and_it_grows_with_the_reward(credit: Credit):
    before, after = (
        per_response(credit, REWARDS + better * (torch.arange(6) == 0)) for better in (0.0, 10.0)
    )
    assert before[2] < before[0] < before[4]
    assert after[4] < after[0]
    assert before[0] < after[0]


@EVERY_CREDIT
@each("dtype", [torch.float32, torch.bfloat16], ids=str)
@each("far", [0.0, 1e4, -1e4])
@each("at", [[], [0], [3], [0, 1, 2, 3, 4, 5]], ids=str)
def test_advantages_are_finite(credit: Credit, at: list[int], far: float, dtype: torch.dtype):
    rewards = torch.ones(6, dtype=dtype)
    rewards[at] = far
    found = apply(credit, rewards)
    assert found.dtype is dtype
    assert torch.isfinite(found).all()


@EVERY_CREDIT
def test_no_responses_have_no_advantages(credit: Credit):
    assert apply(credit, REWARDS[:0], GROUP[:0], RESPONSE[:0]).shape == (0,)


@EVERY_CREDIT
def test_every_hyper_parameter_is_a_number_that_is_read(credit: Credit):
    before = apply(credit, REWARDS)
    for key, default in defaults_of(credit).items():
        assert checked(key, default, default) == default
        assert isinstance(default, float)
        assert not torch.equal(apply(partial(credit, **{key: default / 2}), REWARDS), before), key


@EVERY_GROUPED
def test_the_order_of_the_responses_and_the_names_of_the_groups_do_not_matter(credit: Credit):
    order, names = torch.tensor([4, 0, 3, 5, 2, 1]), torch.tensor([70, 3, 8])
    found = apply(credit, REWARDS)
    torch.testing.assert_close(apply(credit, REWARDS[order], names[GROUP][order]), found[order])


@EVERY_GROUPED
def test_the_advantages_of_a_group_add_up_to_nothing(credit: Credit):
    added = torch.zeros(3).index_add(0, GROUP, apply(credit, REWARDS))
    torch.testing.assert_close(added, torch.zeros(3), atol=1e-5, rtol=0)


@EVERY_GROUPED
def test_groups_without_contrast_have_exactly_no_advantage(credit: Credit):
    rewards = torch.tensor([0.7, 1.0, 0.7, 9.0, 0.7, 2.0])
    found = apply(credit, rewards)
    assert found[[0, 2, 3, 4]].tolist() == [0.0] * 4
    assert found[5] > 0 > found[1]


@EVERY_CREDIT
def test_a_unit_of_reward_is_a_unit_of_advantage_or_scales_away(credit: Credit):
    found, doubled = apply(credit, REWARDS), apply(credit, 2 * REWARDS)
    assert any(torch.allclose(doubled, factor * found, rtol=1e-3) for factor in (1, 2))
