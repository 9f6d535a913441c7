"""Objectives on log-probabilities given by hand: what is counted, what is averaged, what is logged."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from truing.core.errors import ConfigError
from truing.data.packing import PackedBatch, pad
from truing.data.trees import Branch, Tree
from truing.losses.likelihood import nll
from truing.losses.preference import Pair, dpo, wpo
from truing.models.scoring import Scores
from truing.objectives.offline import LikelihoodObjective, PairObjective, sides
from truing.runs.passes import whole
from truing.training.step import accumulate


def branch(count: int) -> Branch:
    return Branch([5] * count, [True] * count)


# Two pairs: chosen responses of 2 and 1 tokens, rejected ones of 1 and 2.
BATCH = pad([Tree([1], (branch(2), branch(1))), Tree([2], (branch(1), branch(2)))])
POLICY = [-1.0, -2.0, -4.0, -0.5, -1.0, -1.5]  # sums per branch: -3, -4, -0.5, -2.5
REFERENCE = [-1.0, -1.5, -3.0, -1.0, -1.0, -1.0]  # -2.5, -3, -1, -2
COLLISION = [-0.5, -1.0, -2.0, -1.0, -1.0, -0.5]


class Fixed(nn.Module):
    """A scorer that says what it is told to."""

    def __init__(self, logps: list[float]) -> None:
        super().__init__()
        self.logps = nn.Parameter(torch.tensor(logps))

    def forward(self, batch: PackedBatch, *, collision: bool = False) -> Scores:
        return Scores(self.logps, collision=torch.tensor(COLLISION) if collision else None)


def reference(batch: PackedBatch) -> Tensor:
    return torch.tensor(REFERENCE)


def test_branches_take_turns():
    chosen, rejected = sides(torch.arange(6))
    assert (chosen.tolist(), rejected.tolist()) == ([0, 2, 4], [1, 3, 5])


def test_likelihood_is_the_mean_over_tokens():
    scorer = Fixed(POLICY)
    objective = LikelihoodObjective(scorer, nll)
    assert objective.count(BATCH) == {"token": 6}
    assert accumulate([BATCH], objective) == pytest.approx({"loss": 10 / 6, "nll": 10 / 6})
    torch.testing.assert_close(scorer.logps.grad, torch.full((6,), -1 / 6))


def test_a_preference_loss_by_hand():
    objective = PairObjective(Fixed(POLICY), dpo, {"beta": 0.5, "label_smoothing": 0.0}, reference)
    assert objective.count(BATCH) == {"pair": 2, "chosen_token": 3}
    logs = accumulate([BATCH], objective)
    # Gaps of the policy are 1 and 2, of the reference 0.5 and 1: logits 0.5 * 0.5 and 0.5 * 1.
    expected = (math.log(1 + math.exp(-0.25)) + math.log(1 + math.exp(-0.5))) / 2
    assert logs["loss"] == logs["pair_loss"] == pytest.approx(expected)
    # Rewards are 0.5 * (-3 + 2.5, -0.5 + 1) for chosen and 0.5 * (-4 + 3, -2.5 + 2) for rejected.
    assert logs["rewards/chosen"] == pytest.approx((-0.25 + 0.25) / 2)
    assert logs["rewards/rejected"] == pytest.approx((-0.5 - 0.25) / 2)
    assert logs["rewards/margins"] == pytest.approx((0.25 + 0.5) / 2)
    assert logs["rewards/accuracies"] == 1.0
    assert logs["logps/chosen"] == pytest.approx((-3 - 0.5) / 2)
    assert logs["logps/rejected"] == pytest.approx((-4 - 2.5) / 2)
    assert logs["nll/chosen"] == pytest.approx((1 + 2 + 0.5) / 3)


def test_a_row_brings_the_probability_of_its_label():
    """The second row is right with 3/4; the first says nothing and is certain."""
    objective = PairObjective(Fixed(POLICY), dpo, {"beta": 0.5}, reference)
    batch = replace(BATCH, labels=torch.tensor([0.0, 0.0, 0.0, 0.25]))
    soft = 0.75 * math.log(1 + math.exp(-0.5)) + 0.25 * math.log(1 + math.exp(0.5))
    assert accumulate([batch], objective)["loss"] == pytest.approx((math.log(1 + math.exp(-0.25)) + soft) / 2)


def test_likelihood_of_the_chosen_side_is_a_mean_over_its_tokens():
    plain = PairObjective(Fixed(POLICY), dpo, {"beta": 0.5}, reference)
    mixed = PairObjective(Fixed(POLICY), dpo, {"beta": 0.5}, reference, sft_weight=2.0)
    added = accumulate([BATCH], mixed)["loss"] - accumulate([BATCH], plain)["loss"]
    assert added == pytest.approx(2.0 * (1 + 2 + 0.5) / 3)


def test_a_loss_without_reference_never_runs_one():
    def ratio(policy: Pair, lengths: Pair, *, gamma: float = 1.0) -> Tensor:
        return gamma * (policy.rejected / lengths.rejected - policy.chosen / lengths.chosen)

    def forbidden(batch: PackedBatch) -> Tensor:
        raise AssertionError("the reference was run")

    logs = accumulate([BATCH], PairObjective(Fixed(POLICY), ratio, {"gamma": 2.0}, forbidden))
    # Per token: -1.5 and -0.5 for chosen, -4 and -1.25 for rejected.
    assert logs["loss"] == pytest.approx(2 * ((-4 + 1.5) + (-1.25 + 0.5)) / 2)
    # Without a reference and a beta, rewards are the log-probabilities themselves: here those per token.
    assert logs["rewards/chosen"] == pytest.approx((-1.5 - 0.5) / 2)
    assert logs["logps/chosen"] == pytest.approx((-3 - 0.5) / 2)


def test_weights_of_wpo_are_means_over_tokens_of_the_gap_to_the_collision():
    # logps - collision: (-0.5, -1), (-2,) and (0.5,), (0, -1). Means: -0.75, -2 and 0.5, -0.5.
    logs = accumulate([BATCH], PairObjective(Fixed(POLICY), wpo, {"beta": 0.5}, reference))
    first = math.exp(-0.75 - 2) * math.log(1 + math.exp(-0.25))
    second = 1 * math.log(1 + math.exp(-0.5))  # weight e^0
    assert logs["loss"] == pytest.approx((first + second) / 2)


def test_tokens_beyond_the_shorter_response_count_less():
    # LD-DPO: the second token of the chosen response of pair 1 and of the rejected one of pair 2 is halved.
    objective = PairObjective(Fixed(POLICY), dpo, {"beta": 0.5}, reference, ld_alpha=0.5)
    logs = accumulate([BATCH], objective)
    assert logs["logps/chosen"] == pytest.approx((-2 - 0.5) / 2)
    assert logs["logps/rejected"] == pytest.approx((-4 - 1.75) / 2)
    # Gaps of the policy are 2 and 1.25, of the reference -1.75 + 3 and -1 + 1.5: logits 0.5 * 0.75, twice.
    assert logs["loss"] == pytest.approx(math.log(1 + math.exp(-0.375)))


def test_what_the_likelihood_covers_is_one_of_two():
    with pytest.raises(ConfigError, match="sft_on is 'prompt': expected response or sequence"):
        PairObjective(Fixed(POLICY), dpo, {}, reference, sft_on="prompt")


def test_likelihood_of_the_sequence_is_a_mean_over_whole_passes_alone():
    """Whole passes here: chosen texts of 3 and 2 tokens, of which 2 and 1 are predicted."""

    class ByRole(Fixed):
        def forward(self, batch: PackedBatch, *, collision: bool = False) -> Scores:
            return Scores(self.logps[: len(batch.target)])

    trees = {7: Tree([1], (branch(2), branch(1))), 9: Tree([2], (branch(1), branch(2)))}
    batches = [replace(pad(list(whole(trees).values()), trees), role="whole"), BATCH]
    assert batches[0].tokens.tolist() == [[1, 5, 5], [2, 5, 0]]
    objective = PairObjective(
        ByRole(POLICY), dpo, {"beta": 0.5}, reference, sft_weight=2.0, sft_on="sequence"
    )
    assert objective.count(batches[0]) == {"whole_token": 3}
    logs = accumulate(batches, objective)
    assert logs["nll/whole"] == pytest.approx((1 + 2 + 4) / 3)
    assert logs["loss"] == pytest.approx(logs["pair_loss"] + 2 * logs["nll/whole"])
    assert logs["nll/chosen"] == pytest.approx((1 + 2 + 0.5) / 3), "of the responses, for comparison"
