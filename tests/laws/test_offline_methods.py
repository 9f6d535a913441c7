"""What every method and loss of `OFFLINE` obeys: how a step is cut changes nothing. A new row is covered."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from truing.data.packing import LAYOUTS
from truing.data.trees import Branch, Tree
from truing.methods import shapes
from truing.methods.offline import OFFLINE, choose
from truing.models.reference import Live
from truing.models.reward import RewardScorer
from truing.models.scoring import Scorer
from truing.train.step import accumulate

# Every method with its own loss, every loss once, and what the objectives add.
ROWS: dict[tuple[str, Any], tuple[str, str, dict[str, Any]]] = {}
for method in OFFLINE.values():
    ROWS[method.name, method.loss] = (method.name, method.loss, {})
    for table_shape, table in method.tables:
        for loss in table:
            known = any(
                OFFLINE[m].shape_of(name) is table_shape for m, name, _ in ROWS.values() if name == loss
            )
            if not known:
                ROWS[method.name, loss] = (method.name, loss, {})
VARIANTS = [
    ("dpo", "dpo", {"sft_weight": 0.3}),
    ("dpo", "aot", {"sft_weight": 0.3, "sft_on": "sequence"}),
    ("dpo", "dpo", {"ld_alpha": 0.5}),
    ("orpo", "orpo", {"sft_on": "sequence"}),
    ("cpo", "cpo", {"sft_weight": 0.0, "sft_on": "sequence"}),
]


def shaped(pairs: list[Tree], shape: shapes.Shape) -> list[Tree]:
    """Trees with what a loss of that shape reads: rankings of two and three, with a tie."""
    found = []
    for i, tree in enumerate(pairs):
        one, two = tree.branches
        three = Branch([*two.tokens, 9], [*two.scored, True])
        match shape:
            case shapes.DEMONSTRATION:
                found.append(Tree(tree.prompt, (one,)))
            case shapes.UNPAIRED:
                found.append(Tree(tree.prompt, (one,), (float(i % 3 == 0),)))
            case shapes.RANKING:
                many = Tree(tree.prompt, (one, two, three), (0.0, 1.0, 1.0 + i % 2))
                found.append(many if i % 2 else Tree(tree.prompt, (one, two), (0.0, 1.0)))
            case shapes.SCORED:
                found.append(replace(tree, labels=(0.1 * i, 0.5)))
            case shapes.SCORED_PAIR:
                found.append(replace(tree, labels=(0.2 * i, 0.0)))
            case _:
                found.append(tree)
    return found


def norm_of(model: nn.Module) -> float:
    return torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None]).item()


@pytest.mark.parametrize(("method", "loss", "hyper"), [*ROWS.values(), *VARIANTS], ids=str)
def test_nothing_depends_on_how_a_step_is_cut(
    tiny, judge, pairs, session_of: Callable, method: str, loss: str, hyper: dict
):
    chosen = choose(method, loss, hyper)
    trees = shaped(pairs, chosen.shape)

    def step(layout: str, tokens_per_pass: int) -> tuple[dict[str, float], float, int]:
        make = RewardScorer if chosen.method.scores else Scorer
        scorer = make(judge() if chosen.method.scores else tiny(), layout=layout)
        reference = Live(Scorer(tiny(seed=9), layout=layout)) if chosen.needs_reference else None
        session = session_of(
            scorer, trees, method, hyper, loss=loss, reference=reference, tokens_per_pass=tokens_per_pass
        )
        passes = session.passes(range(len(trees)))
        return accumulate(passes, session.objective), norm_of(scorer), len(passes)

    logs, norm, fewest = step("padded", 10_000)
    assert norm > 0
    assert fewest == 1 + chosen.needs_whole + chosen.needs_mismatched
    for layout in LAYOUTS:
        for tokens_per_pass in (1, 40):
            cut, cut_norm, count = step(layout, tokens_per_pass)
            assert count > fewest
            assert cut == pytest.approx(logs, rel=1e-4, abs=1e-5)
            assert cut_norm == pytest.approx(norm, rel=1e-4)


def test_the_rows_are_all_of_the_table():
    assert {loss for _, loss, _ in ROWS.values()} == {loss for m in OFFLINE.values() for loss in m.losses}
    assert {name for name, _, _ in ROWS.values()} == set(OFFLINE)
