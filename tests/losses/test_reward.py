"""Reward losses; each expected number is worked out here by hand."""

import itertools
import math
import random

import pytest
import torch

from truing.losses.preference import Pair
from truing.losses.reward import all_pairs, binary_cross_entropy, bradley_terry, plackett_luce, squared_error


def row(*values: float) -> torch.Tensor:
    return torch.tensor(values)


def pair(chosen: float, rejected: float) -> Pair:
    return Pair(row(chosen), row(rejected))


def softplus(x: float) -> float:
    """-log sigmoid(-x)."""
    return math.log(1 + math.exp(x))


def test_bradley_terry():
    assert bradley_terry(pair(2.0, 0.5)).item() == pytest.approx(softplus(-1.5))


def test_bradley_terry_subtracts_the_margin_from_the_gap():
    assert bradley_terry(pair(2.0, 0.5), row(2.0)).item() == pytest.approx(softplus(0.5))


def test_bradley_terry_with_a_probability_by_hand():
    loss = bradley_terry(pair(2.0, 0.5), probability=row(0.75))
    assert loss.item() == pytest.approx(0.75 * softplus(-1.5) + 0.25 * softplus(1.5))
    # A swapped label asks for the same lead on the other side.
    loss = bradley_terry(pair(2.0, 0.5), row(1.0), row(0.75))
    assert loss.item() == pytest.approx(0.75 * softplus(-0.5) + 0.25 * softplus(2.5))


def test_bradley_terry_pulls_the_sum_of_a_pair_to_zero():
    # 0.01 * (2 + 0.5)^2 = 0.0625
    loss = bradley_terry(pair(2.0, 0.5), row(1.0), center=0.01)
    assert loss.item() == pytest.approx(softplus(-0.5) + 0.0625)


def test_bradley_terry_of_a_badly_wrong_pair_keeps_its_gradient():
    scores = pair(-50.0, 50.0)
    scores.chosen.requires_grad_()
    bradley_terry(scores).sum().backward()
    assert scores.chosen.grad.item() == pytest.approx(-1.0)


# Two prompts, their responses mixed: scores 1, 3, 2 best first, and -1, 0 best first.
SCORES, RANKS, GROUP = (
    row(3.0, 0.0, 2.0, -1.0, 1.0),
    torch.tensor([2, 8, 3, 7, 1]),
    torch.tensor([0, 1, 0, 1, 0]),
)


def test_plackett_luce():
    e = math.exp
    first = math.log(e(1) + e(3) + e(2)) - 1 + math.log(e(3) + e(2)) - 3
    second = math.log(e(-1) + e(0)) + 1
    assert plackett_luce(SCORES, RANKS, GROUP).tolist() == pytest.approx([first, second])


def test_plackett_luce_takes_equal_ranks_in_the_order_given():
    scores, group = row(1.0, 3.0, 2.0), torch.zeros(3, dtype=torch.long)
    as_given = plackett_luce(scores, torch.tensor([1, 2, 3]), group)
    assert plackett_luce(scores, torch.tensor([1, 1, 1]), group).item() == as_given.item()
    assert plackett_luce(scores, torch.tensor([3, 2, 1]), group).item() != pytest.approx(as_given.item())


def test_all_pairs():
    # Gaps better less worse: 1 - 3, 1 - 2, 3 - 2 of the first prompt, -1 - 0 of the second.
    first = (softplus(2) + softplus(1) + softplus(-1)) / 3
    assert all_pairs(SCORES, RANKS, GROUP).tolist() == pytest.approx([first, softplus(1)])


def test_all_pairs_leaves_ties_out_above_and_below_the_line():
    # Ranks 1, 1, 2 leave two of three pairs: 1 - 2 and 3 - 2.
    losses = all_pairs(row(1.0, 3.0, 2.0), torch.tensor([1, 1, 2]), torch.zeros(3, dtype=torch.long))
    assert losses.tolist() == pytest.approx([(softplus(1) + softplus(-1)) / 2])


def test_all_pairs_of_a_prompt_that_is_one_tie_is_zero():
    losses = all_pairs(row(1.0, 3.0, 0.0, 5.0), torch.tensor([1, 1, 1, 2]), torch.tensor([0, 0, 1, 1]))
    assert losses.tolist() == pytest.approx([0.0, softplus(5)])


def test_rankings_agree_with_a_loop_over_prompts():
    draw = random.Random(7)
    sizes = [1, 2, 3, 5, 8]
    rows = [(k, rank, draw.gauss(0, 2)) for k, size in enumerate(sizes) for rank in range(size)]
    draw.shuffle(rows)
    group, ranks, scores = (torch.tensor(column) for column in zip(*rows, strict=True))
    for k, luce, pairs in zip(
        range(5), plackett_luce(scores, ranks, group), all_pairs(scores, ranks, group), strict=True
    ):
        best_first = [score for where, _, score in sorted(rows) if where == k]
        gaps = [a - b for a, b in itertools.combinations(best_first, 2)]
        assert pairs.item() == pytest.approx(sum(softplus(-gap) for gap in gaps) / max(len(gaps), 1))
        chance = math.prod(
            math.exp(best_first[i]) / sum(math.exp(s) for s in best_first[i:]) for i in range(len(best_first))
        )
        assert luce.item() == pytest.approx(-math.log(chance), rel=1e-5, abs=1e-6)


def test_squared_error():
    assert squared_error(row(1.0, -2.0), row(3.5, -2.0)).tolist() == [6.25, 0.0]


def test_binary_cross_entropy():
    # -log sigmoid(2), -log(1 - sigmoid(2)) and three judges to one at probability 0.8.
    losses = binary_cross_entropy(row(2.0, 2.0, math.log(4)), row(1.0, 0.0, 0.75))
    mixed = -0.75 * math.log(0.8) - 0.25 * math.log(0.2)
    assert losses.tolist() == pytest.approx([softplus(-2), softplus(2), mixed])
