"""Loss and gradient norm of one batch are those TRL 1.16 computed from the same weights and rows."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from truing.data.packing import LAYOUTS, split_into_passes
from truing.data.trees import Branch, Tree
from truing.methods.offline import choose
from truing.models.reference import Cached, score_all
from truing.models.scoring import Scorer
from truing.train.step import accumulate

HERE = Path(__file__).parents[3] / "shared/conformance"
pytestmark = pytest.mark.skipif(not HERE.is_dir(), reason=f"the peer's numbers are not here: {HERE}")

# TRL's names of a case, and ours: method, loss, hyper-parameters.
OURS: list[tuple[str, dict[str, Any], str, str, dict[str, float]]] = [
    ("sft", {}, "sft", "nll", {}),
    ("dpo", {"loss_type": ["sigmoid"], "beta": 0.1}, "dpo", "dpo", {"beta": 0.1}),
    ("dpo", {"loss_type": ["sigmoid"], "beta": 0.5}, "dpo", "dpo", {"beta": 0.5}),
    (
        "dpo",
        {"beta": 0.1, "loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.5]},
        "dpo",
        "dpo",
        {"beta": 0.1, "sft_weight": 0.5},
    ),
]


def case_of(method: str, hyper: dict[str, Any]) -> dict[str, Any]:
    cases = json.loads((HERE / "cases.json").read_text())["cases"]
    (found,) = [case for case in cases if (case["method"], case["hyper"]) == (method, hyper)]
    return found


def load(name: str) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(HERE / name, dtype=torch.float32).eval()


@cache
def trees_of(rows: str) -> list[Tree]:
    """Rows through the tokenizer's own template; the end of turn and its newline are scored."""
    tokenizer = AutoTokenizer.from_pretrained(HERE / "policy")

    def tree(row: dict[str, Any]) -> Tree:
        prompt = tokenizer.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
        branches = []
        for side in ("completion", "chosen", "rejected"):
            if side in row:
                whole = tokenizer.apply_chat_template(row["prompt"] + row[side], tokenize=False)
                assert whole.startswith(prompt)
                tokens = tokenizer(whole.removeprefix(prompt), add_special_tokens=False).input_ids
                branches.append(Branch(tokens, [True] * len(tokens)))
        return Tree(tokenizer(prompt, add_special_tokens=False).input_ids, tuple(branches))

    return [tree(json.loads(line)) for line in (HERE / f"rows/{rows}.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("tokens_per_pass", [64, 10_000])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("peer", "peer_hyper", "method", "loss", "hyper"), OURS)
def test_loss_and_gradient_norm(peer, peer_hyper, method, loss, hyper, layout, tokens_per_pass):
    case = case_of(peer, peer_hyper)
    trees = trees_of(case["rows"])
    policy = Scorer(load("policy"), layout=layout)
    chosen = choose(method, loss, hyper)
    reference = None
    if chosen.needs_reference:
        reference = Cached(score_all(Scorer(load("reference"), layout=layout), trees, tokens_per_pass))
    groups = split_into_passes(trees, tokens_per_pass, layout)
    assert (len(groups) > 1) == (tokens_per_pass == 64)
    passes = [LAYOUTS[layout]([trees[i] for i in group], group) for group in groups]
    logs = accumulate(passes, chosen.objective(policy, reference))
    norm = torch.nn.utils.get_total_norm([p.grad for p in policy.parameters() if p.grad is not None])
    assert logs["loss"] == pytest.approx(case["loss"], abs=1e-4)
    assert norm.item() == pytest.approx(case["grad_norm"], rel=1e-3)
