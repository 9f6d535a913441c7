"""Reward objectives on scores given by hand."""

import math

import pytest
import torch
from torch import Tensor, nn

from truing.data.packing import PackedBatch, pad
from truing.data.trees import Branch, Tree
from truing.losses.reward import all_pairs, binary_cross_entropy, bradley_terry, plackett_luce, squared_error
from truing.objectives.reward import RankingObjective, RegressionObjective, RewardPairObjective
from truing.training.step import accumulate


class Fixed(nn.Module):
    """Scores of the branches, in order."""

    def __init__(self, *scores: float) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.tensor(scores))

    def forward(self, batch: PackedBatch) -> Tensor:
        return self.scores


def tree(*labels: float) -> Tree:
    return Tree([1], (Branch([5], [True]),) * len(labels), labels)


def lost(gap: float) -> float:
    """-log sigmoid."""
    return math.log(1 + math.exp(-gap))


def test_a_margin_is_taken_off_the_gap():
    objective = RewardPairObjective(Fixed(1.0, 0.5, 2.0, 2.0), bradley_terry, {"center": 0.1})
    batch = pad([tree(0.3, 0.0), tree(0.0, 0.0)])
    assert objective.count(batch) == {"pair": 2}
    logs = accumulate([batch], objective)
    expected = (lost(0.5 - 0.3) + 0.1 * 1.5**2 + lost(0.0) + 0.1 * 4**2) / 2
    assert logs == pytest.approx(
        {
            "loss": expected,
            "accuracy": (1 + 0.5) / 2,  # a tie is half right
            "margin": 0.25,
            "score/chosen": 1.5,
            "score/rejected": 1.25,
        }
    )


def test_a_probability_weighs_both_labels_of_a_pair():
    objective = RewardPairObjective(Fixed(1.0, 0.5), bradley_terry, {})
    logs = accumulate([pad([tree(0.0, 0.4)])], objective)
    assert logs["loss"] == pytest.approx(0.6 * lost(0.5) + 0.4 * lost(-0.5))


def test_a_ranking_is_won_place_by_place():
    scorer = Fixed(1.0, 3.0, 2.0, 0.0, -1.0)
    objective = RankingObjective(scorer, plackett_luce, {})
    batch = pad([tree(0.0, 1.0, 2.0), tree(1.0, 0.0)])  # of the second prompt the second response is best
    assert objective.count(batch) == {"prompt": 2, "response": 5, "pair": 4}
    logs = accumulate([batch], objective)
    first = math.log(math.e + math.e**3 + math.e**2) - 1 + math.log(math.e**3 + math.e**2) - 3
    assert logs["loss"] == pytest.approx((first + lost(-1.0)) / 2)
    assert logs["score"] == pytest.approx(1.0)
    # Right are 3 > 2; wrong 1 > 3, 1 > 2 and -1 > 0.
    assert logs["accuracy"] == pytest.approx(1 / 4)


def test_of_a_ranking_in_order_every_pair_is_right():
    objective = RankingObjective(Fixed(3.0, 2.0, 1.0), all_pairs, {})
    batch = pad([tree(0.0, 1.0, 1.0)])
    logs = accumulate([batch], objective)
    assert objective.count(batch)["pair"] == 2, "equal ranks say nothing"
    assert logs["accuracy"] == 1.0
    assert logs["loss"] == pytest.approx((lost(1.0) + lost(2.0)) / 2)


def test_rankings_without_a_pair_have_no_accuracy():
    assert "accuracy" not in accumulate([pad([tree(0.0)])], RankingObjective(Fixed(3.0), all_pairs, {}))


def test_every_response_is_to_score_what_the_row_says():
    scorer = Fixed(1.0, 2.0, -1.0)
    objective = RegressionObjective(scorer, squared_error, {})
    batch = pad([tree(0.0, 0.5), tree(-1.0)])
    assert objective.count(batch) == {"response": 3}
    logs = accumulate([batch], objective)
    assert logs == pytest.approx({"loss": (1 + 1.5**2 + 0) / 3, "score": 2 / 3})
    assert scorer.scores.grad.tolist() == pytest.approx([2 / 3, 2 * 1.5 / 3, 0.0])


def test_a_probability_is_met_by_its_logit():
    objective = RegressionObjective(Fixed(0.0, 2.0), binary_cross_entropy, {})
    logs = accumulate([pad([tree(1.0, 0.25)])], objective)
    assert logs["loss"] == pytest.approx((lost(0.0) + 0.25 * lost(2.0) + 0.75 * lost(-2.0)) / 2)
