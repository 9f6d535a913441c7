"""Each expected number is worked out here by hand, or by a plain loop over tokens."""

import math
import statistics

import pytest
import torch
from torch import Tensor

from truing.losses.credit import (
    batch_scaled,
    batch_standardised,
    gae,
    group_centred,
    group_standardised,
    leave_one_out,
    penalised,
    reinforce_pp,
    reinforce_pp_baseline,
    tied,
    token_rewards,
    whiten,
)
from truing.losses.segments import means

from ..tables import each

# Groups of three, one and two, mixed.
REWARDS = torch.tensor([1.0, 7.0, 0.0, 3.0, 5.0, 4.0])
GROUP = torch.tensor([9, 2, 9, 5, 9, 2])
RESPONSE = torch.tensor([0, 0, 0, 1, 2, 2])


def test_group_centred():
    assert group_centred(REWARDS, GROUP).tolist() == [-1.0, 1.5, -2.0, 0.0, 3.0, -1.5]


def test_group_standardised():
    three, two = statistics.stdev([1, 0, 5]) + 1e-4, statistics.stdev([7, 4]) + 1e-4
    expected = [-1 / three, 1.5 / two, -2 / three, 0.0, 3 / three, -1.5 / two]
    assert group_standardised(REWARDS, GROUP).tolist() == pytest.approx(expected)


def test_leave_one_out_is_reward_less_the_mean_of_the_others():
    expected = [1 - 2.5, 7 - 4, 0 - 3, 0.0, 5 - 0.5, 4 - 7]
    assert leave_one_out(REWARDS, GROUP).tolist() == pytest.approx(expected)


def test_batch_scaled():
    std = statistics.stdev(REWARDS.tolist()) + 1e-4
    expected = [x / std for x in (-1.0, 1.5, -2.0, 0.0, 3.0, -1.5)]
    assert batch_scaled(REWARDS, GROUP).tolist() == pytest.approx(expected)


def test_batch_standardised():
    mean, std = statistics.mean(REWARDS.tolist()), statistics.pstdev(REWARDS.tolist())
    assert batch_standardised(REWARDS).tolist() == pytest.approx([(x - mean) / std for x in REWARDS.tolist()])


def test_reinforce_pp_baseline():
    centred = [-1.0, 1.5, -2.0, 0.0, 3.0, -1.5]
    std = statistics.pstdev(centred)
    assert reinforce_pp_baseline(REWARDS, GROUP).tolist() == pytest.approx([x / std for x in centred])


def test_reinforce_pp_whitens_the_returns_over_all_tokens():
    # Returns from the last token of a response to its first, gamma 1/2: 4, 2 + 2, 0 + 2; 1; -2, 6 - 1.
    returns = [2.0, 4.0, 4.0, 1.0, 5.0, -2.0]
    mean, std = statistics.mean(returns), statistics.pstdev(returns)
    found = reinforce_pp(torch.tensor([0.0, 2.0, 4.0, 1.0, 6.0, -2.0]), RESPONSE, gamma=0.5)
    assert found.tolist() == pytest.approx([(x - mean) / std for x in returns])


def test_a_group_without_contrast_is_found():
    rewards = torch.tensor([0.1, 1.0, 0.1, 7.0, 0.1, 2.0])
    assert tied(rewards, GROUP).tolist() == [True, False, True, True, True, False]


@pytest.mark.parametrize("credit", [group_standardised, group_centred, leave_one_out, batch_scaled])
def test_equal_rewards_give_exactly_nothing(credit):
    rewards, group = torch.full((8,), 0.7), torch.zeros(8, dtype=torch.long)
    assert (rewards != means(rewards, group)).all(), "in f32 the mean is off by a rounding error"
    assert credit(rewards, group).tolist() == [0.0] * 8


def test_token_rewards():
    kl = torch.tensor([1.0, -1.0, 2.0, 0.0, 4.0, 1.0])
    found = token_rewards(torch.tensor([3.0, 5.0, 7.0]), kl, RESPONSE, weight=0.5)
    assert found.tolist() == [-0.5, 0.5, 3 - 1.0, 5.0, -2.0, 7 - 0.5]


def test_penalised_is_the_sum_of_token_rewards():
    kl = torch.tensor([1.0, -1.0, 2.0, 0.0, 4.0, 1.0])
    assert penalised(torch.tensor([3.0, 5.0, 7.0]), kl, RESPONSE, weight=0.5).tolist() == [2.0, 5.0, 4.5]


def test_whiten():
    # Mean 2, population variance 2 / 3.
    white = whiten(torch.tensor([1.0, 2.0, 3.0]))
    assert white.tolist() == pytest.approx([-math.sqrt(1.5), 0.0, math.sqrt(1.5)])
    kept = whiten(torch.tensor([1.0, 2.0, 3.0]), keep_mean=True)
    assert kept.tolist() == pytest.approx([2 - math.sqrt(1.5), 2.0, 2 + math.sqrt(1.5)])


def test_whiten_looks_at_what_the_mask_keeps():
    values, mask = torch.tensor([1.0, 99.0, 2.0, 3.0]), torch.tensor([True, False, True, True])
    assert whiten(values, mask).tolist() == pytest.approx([-math.sqrt(1.5), 0.0, 0.0, math.sqrt(1.5)])
    assert whiten(values, torch.zeros(4, dtype=torch.bool)).tolist() == [0.0] * 4


def plain_gae(rewards: Tensor, values: Tensor, response: Tensor, gamma: float, lam: float) -> list[float]:
    found: list[float] = []
    for t in reversed(range(len(rewards))):
        ends = t == len(rewards) - 1 or response[t] != response[t + 1]
        following = 0.0 if ends else values[t + 1].item()
        delta = rewards[t].item() + gamma * following - values[t].item()
        found.append(delta + (0.0 if ends else gamma * lam * found[-1]))
    return found[::-1]


@each(("gamma", "lam"), [(1.0, 0.95), (0.9, 0.5), (1.0, 1.0), (0.98, 0.0)])
@each("lengths", [[1], [7], [3, 1, 5], [1, 1], [2, 9, 33]], ids=str)
def test_gae_is_the_plain_loop(lengths: list[int], gamma: float, lam: float):
    generator = torch.Generator().manual_seed(sum(lengths))
    response = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    rewards, values = torch.randn(2, len(response), dtype=torch.float64, generator=generator)
    found = gae(rewards, values, response, gamma=gamma, lam=lam)
    assert found.tolist() == pytest.approx(plain_gae(rewards, values, response, gamma, lam))


def test_gae_with_a_perfect_critic_is_nothing():
    rewards = token_rewards(torch.tensor([3.0, 5.0, 7.0]), torch.zeros(6), RESPONSE)
    values = torch.tensor([3.0, 3.0, 3.0, 5.0, 7.0, 7.0])
    assert gae(rewards, values, RESPONSE).tolist() == [0.0] * 6
