"""A policy loss bound to a policy, with a value and a text loss beside it."""

import math

import pytest
import torch

from truing.data.packing import PackedBatch, pad
from truing.data.trees import Branch, Tree
from truing.methods.online import choose_online
from truing.models.scoring import Scorer
from truing.objectives.policy_gradient import ByRole, Experience, PolicyObjective, TextObjective

TREES = {3: Tree([5, 6], (Branch([7, 8], [True] * 2), Branch([9], [True])))}
BATCH = pad([TREES[3]], [3])


@pytest.fixture
def scorer(tiny) -> Scorer:
    return Scorer(tiny(), layout="padded")


def objective(scorer: Scorer, advantages: list[float], kl_weight: float = 0.0, **given) -> PolicyObjective:
    chosen = choose_online("grpo", None, {"aggregation": "token_mean", "kl_weight": kl_weight})
    return PolicyObjective(
        scorer, chosen, Experience(TREES, {3: torch.tensor(advantages)}, **given), kl_weight
    )


def loss(made: PolicyObjective) -> float:
    (tally,), _ = made(BATCH)
    return float((tally.values.sum() / made.count(BATCH)[tally.unit]).detach())


def test_on_policy_the_loss_is_minus_the_mean_advantage(scorer: Scorer):
    """The ratio is 1: -(1 + 2 + 6) / 3 tokens."""
    assert loss(objective(scorer, [1.0, 2.0, 6.0])) == pytest.approx(-3.0, abs=1e-6)


def test_a_ratio_beyond_its_bound_is_clipped(scorer: Scorer):
    """Old log-probabilities lower by 1: the ratio is e, and 1.2 counts for what was better than expected."""
    logps = scorer(BATCH).logps.detach()
    made = objective(scorer, [1.0, 1.0, -1.0], old={3: logps - 1})
    assert loss(made) == pytest.approx(-(1.2 + 1.2 - math.e) / 3, abs=1e-4)


def test_the_reference_adds_its_kl(scorer: Scorer):
    """k3 where the policy is 1 nat above its reference: e^-1 - 1 + 1, times the weight."""
    logps = scorer(BATCH).logps.detach()
    plain, held = (objective(scorer, [0.0] * 3, weight, reference={3: logps - 1}) for weight in (0.0, 0.5))
    assert loss(held) - loss(plain) == pytest.approx(0.5 * math.exp(-1), abs=1e-4)


def test_the_distance_of_the_sampler_is_told_and_no_part_of_the_loss(scorer: Scorer):
    """k3 where the sampler is 1 nat above the trainer is e^-1 - 1 + 1; where both agree it is 0."""
    logps = scorer(BATCH).logps.detach()
    made = objective(scorer, [1.0, 2.0, 6.0], sampler={3: logps + torch.tensor([1.0, 0.0, 0.0])})
    told = made(BATCH).metrics["sampling/mismatch_kl"]
    torch.testing.assert_close(told.values, torch.tensor([math.exp(-1), 0.0, 0.0]), atol=1e-6, rtol=0)
    assert told.unit == "token" and loss(made) == loss(objective(scorer, [1.0, 2.0, 6.0]))
    assert "sampling/mismatch_kl" not in objective(scorer, [0.0] * 3)(BATCH).metrics


def test_text_is_learnt_by_its_likelihood(scorer: Scorer):
    made = TextObjective(scorer, 2.0)
    (tally,), metrics = made(BATCH)
    torch.testing.assert_close(tally.values, 2 * metrics["loss/ptx"].values)
    torch.testing.assert_close(metrics["loss/ptx"].values, -scorer(BATCH).logps)


def test_each_part_sees_the_passes_of_its_role(scorer: Scorer):
    text: PackedBatch = type(BATCH)(**{**vars_of(BATCH), "role": "ptx"})
    both = ByRole({"learn": objective(scorer, [1.0] * 3), "ptx": TextObjective(scorer, 1.0)})
    ready, passes = both.prepare([text, BATCH])
    assert [one.role for one in passes] == ["learn", "ptx"]
    assert dict(ready.count(text)) == {"ptx_token": 3} and ready.count(BATCH)["response"] == 2


def vars_of(batch: PackedBatch) -> dict:
    from dataclasses import fields

    return {field.name: getattr(batch, field.name) for field in fields(batch) if field.init}
