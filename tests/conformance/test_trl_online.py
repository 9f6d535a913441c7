"""Loss and gradient norm of the GRPO family are those TRL 1.16 computed from the same weights and rollouts.

The tables do all of it: a row of `POLICY_LOSSES`, `k3_weighted` where the case has a KL, a row of
`AGGREGATIONS`. What a case's name means here is `ours`.
"""

import json
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from truing.data.packing import LAYOUTS, PackedBatch
from truing.data.trees import Branch, Tree
from truing.losses.aggregate import AGGREGATIONS
from truing.losses.kl import k3, k3_weighted
from truing.losses.policy_gradient import POLICY_LOSSES
from truing.models.scoring import Scorer
from truing.objectives.binding import Loss, pick

PEER = Path(__file__).parents[3] / "shared" / "conformance"
HERE = PEER.is_dir()
CASES = (
    [c for c in json.loads((PEER / "cases.json").read_text())["cases"] if c["method"] == "grpo"]
    if HERE
    else []
)

pytestmark = pytest.mark.skipif(not HERE, reason=f"the peer's numbers are not here: {PEER}")


class Ours(NamedTuple):
    """The names and values here of a case of TRL's."""

    loss: str
    hyper: dict[str, float]
    aggregation: str
    kl_weight: float


PLAIN = {
    "grpo": "response_mean",
    "bnpo": "token_mean",
    "dr_grpo": "fixed_length",
    "dapo": "token_mean",
    "luspo": "response_sum",
    "cispo": "token_mean",
    "sapo": "response_mean",
}


def ours(hyper: dict[str, Any]) -> Ours:
    kind = hyper["loss_type"]
    low = hyper.get("epsilon", 0.2)
    bounds = {"low": low, "high": hyper.get("epsilon_high", low)}
    if kind == "cispo":
        loss, bounds = "cispo", {"ratio_max": hyper["epsilon_high"]}
    elif kind == "sapo":
        loss, bounds = "sapo", {}
    elif hyper.get("importance_sampling_level") == "sequence":
        loss = "gspo"
    elif "delta" in hyper:
        loss, bounds = "dual_clip", {**bounds, "ratio_max": hyper["delta"]}
    else:
        loss = "clipped_surrogate"
    return Ours(loss, bounds, PLAIN[kind], hyper.get("beta", 0.0))


def rollouts() -> list[list[dict[str, Any]]]:
    """The rows by prompt."""
    rows = map(json.loads, (PEER / "rows" / "rollouts.jsonl").read_text().splitlines())
    return [list(group) for _, group in groupby(rows, key=lambda row: row["group"])]


def tree_of(group: list[dict[str, Any]]) -> Tree:
    responses = (row["response_ids"] for row in group)
    return Tree(group[0]["prompt_ids"], tuple(Branch(ids, [True] * len(ids)) for ids in responses))


def per_token(groups: list[list[dict[str, Any]]], field: str) -> Tensor:
    return torch.tensor([x for group in groups for row in group for x in row[field]])


def counted(batch: PackedBatch) -> Counter[str]:
    return Counter({"token": len(batch.target), "response": batch.branches, "prompt": len(batch.sizes)})


def losses_of(logps: Tensor, batch: PackedBatch, groups: list[list[dict[str, Any]]], case: Ours) -> Tensor:
    advantages = torch.tensor([row["advantage"] for group in groups for row in group])
    old_logps = per_token(groups, "old_logps")
    loss: Loss = POLICY_LOSSES[case.loss]
    given = {
        "logps": logps,
        "old_logps": old_logps,
        "advantages": advantages[batch.response],
        "response": batch.response,
    }
    losses = loss(**pick(loss, given), **case.hyper)
    if case.kl_weight:
        losses = losses + case.kl_weight * k3_weighted(logps, per_token(groups, "ref_logps"), old_logps)
    return losses


def step(model: PreTrainedModel, layout: str, at_once: int, case: Ours, max_length: int) -> float:
    """The step's loss, `at_once` prompts to a pass; its gradient is left in the model."""
    groups = rollouts()
    passes = [groups[i : i + at_once] for i in range(0, len(groups), at_once)]
    batches = [LAYOUTS[layout]([tree_of(group) for group in part]) for part in passes]
    weigh, unit = AGGREGATIONS[case.aggregation]
    total = sum((counted(batch) for batch in batches), Counter())[unit]
    scorer, sum_of = Scorer(model, layout=layout), 0.0
    for part, batch in zip(passes, batches, strict=True):
        weights = weigh(**pick(weigh, {"response": batch.response, "max_length": max_length}))
        losses = losses_of(scorer(batch).logps, batch, part, case)
        loss = (weights * losses).sum() / total
        loss.backward()
        sum_of += loss.item()
    return sum_of


def policy() -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(PEER / "policy", dtype=torch.float32).eval()


def name_of(case: dict[str, Any]) -> str:
    return "-".join(str(value) for value in case["hyper"].values())


@pytest.mark.parametrize(("layout", "at_once"), [("trees", 1), ("padded", 2)])
@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_loss_and_gradient_norm(case: dict[str, Any], layout: str, at_once: int):
    model = policy()
    found = step(model, layout, at_once, ours(case["hyper"]), case["hyper"]["max_completion_length"])
    norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
    assert found == pytest.approx(case["loss"], abs=1e-4 * max(1.0, abs(case["loss"])))
    assert norm.item() == pytest.approx(case["grad_norm"], rel=1e-3)


def test_all_cases_of_the_family_are_here():
    assert len(CASES) == 10
    assert {ours(case["hyper"]).loss for case in CASES} == set(POLICY_LOSSES) - {"reinforce", "gspo_token"}


def test_the_rollouts_are_off_policy_enough_to_tell_the_losses_apart():
    """At a ratio of one the weighted and the plain KL have the same value, and no clip shows."""
    groups = rollouts()
    batch = LAYOUTS["trees"]([tree_of(group) for group in groups])
    old, ref = (per_token(groups, field) for field in ("old_logps", "ref_logps"))
    with torch.no_grad():
        logps = Scorer(policy(), layout="trees")(batch).logps
    ratio = (logps - old).exp()
    assert (ratio > 1.28).any() and (ratio < 0.8).any()
    assert not torch.allclose(k3(logps, ref).mean(), k3_weighted(logps, ref, old).mean(), rtol=1e-2)
