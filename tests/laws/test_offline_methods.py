"""A law of every method and loss of `OFFLINE`: the cut of a step changes nothing. A new row is covered."""

import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from truing.data.packing import LAYOUTS
from truing.data.trees import Branch, Tree
from truing.methods.offline import OFFLINE, choose
from truing.models.reference import Live
from truing.models.reward import RewardScorer
from truing.models.scoring import Scorer
from truing.objectives import shapes
from truing.training.step import accumulate

from ..tables import each

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
MIXES = [
    ("dpo", {"dpo": 0.8, "bco_pair": 0.2}, {"sft_weight": 0.3}),
    ("dpo", {"aot": 0.5, "aot_unpaired": 2.0, "wpo": 1.0, "simpo": 0.1}, {"beta": 0.3, "ld_alpha": 0.5}),
    ("orpo", {"orpo": 1.0, "cpo_ipo": 0.1}, {"sft_on": "sequence"}),
    ("kto", {"kto": 1.0, "bco": 0.5}, {}),
    ("reward", {"plackett_luce": 0.5, "all_pairs": 0.5}, {}),
    ("reward", {"squared_error": 1.0, "binary_cross_entropy": 1.0}, {}),
]
# Every loss beside the next one of its table, and a method that has both.
NEIGHBOURS: dict[tuple[str, str], str] = {}
for method in OFFLINE.values():
    for _, table in method.tables:
        for both in pairwise(table):
            NEIGHBOURS.setdefault(both, method.name)


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


@pytest.fixture
def step_of(tiny, judge, pairs, session_of: Callable):
    """Takes a step over all pairs: gives its means, its gradients, and how many passes it took."""

    def step(
        method: str, loss: Any, hyper: dict[str, Any], layout: str = "padded", tokens_per_pass: int = 10_000
    ) -> tuple[dict[str, float], list[Tensor], int]:
        chosen = choose(method, loss, hyper)
        trees = shaped(pairs, chosen.shape)
        make = RewardScorer if chosen.method.scores else Scorer
        scorer = make(judge() if chosen.method.scores else tiny(), layout=layout)
        reference = Live(Scorer(tiny(seed=9), layout=layout)) if chosen.needs_reference else None
        session = session_of(
            scorer, trees, method, hyper, loss=loss, reference=reference, tokens_per_pass=tokens_per_pass
        )
        passes = session.passes(range(len(trees)))
        logs = accumulate(passes, session.objective)
        return logs, [p.grad for p in scorer.parameters() if p.grad is not None], len(passes)

    return step


def norm_of(gradients: list[Tensor]) -> float:
    return torch.nn.utils.get_total_norm(gradients).item()


@each(("method", "loss", "hyper"), [*ROWS.values(), *VARIANTS, *MIXES], ids=str)
def test_nothing_depends_on_how_a_step_is_cut(step_of: Callable, method: str, loss: Any, hyper: dict):
    logs, gradients, fewest = step_of(method, loss, hyper)
    norm = norm_of(gradients)
    assert norm > 0
    chosen = choose(method, loss, hyper)
    assert fewest == 1 + chosen.needs_whole + chosen.needs_mismatched
    for layout in LAYOUTS:
        for tokens_per_pass in (1, 40):
            cut, cut_gradients, count = step_of(method, loss, hyper, layout, tokens_per_pass)
            assert count > fewest
            assert cut == pytest.approx(logs, rel=1e-4, abs=1e-5)
            assert norm_of(cut_gradients) == pytest.approx(norm, rel=1e-4)


@each(("one", "other"), NEIGHBOURS)
def test_a_mix_is_the_weighted_sum_of_its_losses(step_of: Callable, one: str, other: str):
    method = NEIGHBOURS[one, other]
    none = {"sft_weight": 0.0} if "sft_weight" in OFFLINE[method].options else {}
    (first, up, _), (second, down, _) = (step_of(method, loss, none) for loss in (one, other))
    mixed, gradients, _ = step_of(method, {one: 0.7, other: 1.6}, none)
    assert mixed["loss"] == pytest.approx(0.7 * first["loss"] + 1.6 * second["loss"], rel=1e-5)
    for found, a, b in zip(gradients, up, down, strict=True):
        expected = 0.7 * a + 1.6 * b
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * max(1.0, expected.abs().max()))


def test_a_coupled_loss_of_ones_own_does_not_depend_on_how_a_step_is_cut(
    step_of: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "centred_loss.py").write_text(
        "def centred(policy, ref):\n"
        "    gaps = policy.gap - ref.gap\n"
        "    return (gaps - gaps.mean() - 1) ** 2\n"
    )
    for loss in ("centred_loss:centred", {"centred_loss:centred": 0.5, "dpo": 1.0}):
        logs, gradients, _ = step_of("dpo", loss, {})
        cut, cut_gradients, count = step_of("dpo", loss, {}, "trees", 1)
        assert count > 1
        assert cut == pytest.approx(logs, rel=1e-4, abs=1e-5)
        assert norm_of(cut_gradients) == pytest.approx(norm_of(gradients), rel=1e-4)


def test_the_rows_are_all_of_the_table():
    assert {loss for _, loss, _ in ROWS.values()} == {loss for m in OFFLINE.values() for loss in m.losses}
    assert {name for name, _, _ in ROWS.values()} == set(OFFLINE)
