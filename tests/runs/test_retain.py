"""Retained rows: nothing until the policy moves, then the exact KL, and a resumed run sees the same ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from truing.config.recipe import Lora, Recipe
from truing.config.run_folder import RunFolder
from truing.data.packing import LAYOUTS
from truing.data.trees import Tree
from truing.models import frozen
from truing.models.load import add_adapter
from truing.models.reference import AdapterOff
from truing.models.scoring import Scorer
from truing.objectives.offline import RetainObjective
from truing.runs.run import run
from truing.runs.session import Session, open_session
from truing.training.hooks import Logs
from truing.training.optim import make_optimizer
from truing.training.step import accumulate


def scorer_of(model, layout: str) -> Scorer:
    adapted = add_adapter(model, Lora(r=4), dropout=False, seed=0, trained=torch.float32)
    return Scorer(adapted, layout=layout)


def retaining(session_of: Callable, scorer: Scorer, trees: list[Tree], weight: float, cut: int) -> Session:
    """A session on the first four trees that retains the others."""
    reference = AdapterOff(scorer)
    session = session_of(
        scorer, trees[:4], "dpo", reference=reference, retained=trees[4:], tokens_per_pass=cut
    )
    session.objective = RetainObjective(session.objective, scorer, reference.states, weight)
    return session


def gradient(scorer: Scorer) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in scorer.parameters() if p.grad is not None])


def move(scorer: Scorer) -> None:
    with torch.no_grad():
        for name, parameter in scorer.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_at_the_start_there_is_nothing_to_retain(tiny, pairs, session_of, layout):
    scorer = scorer_of(tiny(), layout)
    session = retaining(session_of, scorer, pairs, 1.0, 1000)
    logs = accumulate(session.passes([4, 5, 6]), session.objective)
    assert set(logs) == {"loss", "kl/retained"}
    assert logs["kl/retained"] == pytest.approx(0.0, abs=1e-6)
    assert gradient(scorer).abs().max() < 1e-5
    accumulate(session.passes([0, 1]), session.objective)
    assert gradient(scorer).abs().max() > 0.01, "a preference loss does move it"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("cut", [1, 1000])
def test_the_kl_is_that_of_the_whole_vocabulary(tiny, pairs, session_of, layout, cut):
    scorer = scorer_of(tiny(), layout)
    move(scorer)
    session = retaining(session_of, scorer, pairs, 0.7, cut)
    logs = accumulate(session.passes(range(7)), session.objective)
    found = gradient(scorer)

    scorer.zero_grad()
    alone = session_of(scorer, pairs[:4], "dpo", reference=AdapterOff(scorer))
    plain = accumulate(alone.passes(range(4)), alone.objective)
    batch = LAYOUTS[layout](pairs[4:])
    head = scorer.inner.get_output_embeddings()
    policy = head(scorer.states(batch)).log_softmax(-1)
    start = head(AdapterOff(scorer).states(batch)).log_softmax(-1)
    kl = (start.exp() * (start - policy)).sum(-1).mean()
    (0.7 * kl).backward()
    assert kl.item() > 0.01
    assert logs["kl/retained"] == pytest.approx(kl.item(), rel=1e-4)
    assert logs["loss"] == pytest.approx(plain["loss"] + 0.7 * kl.item(), rel=1e-4)
    assert logs["pair_loss"] == pytest.approx(plain["pair_loss"], rel=1e-4), "a mean over the learnt pairs"
    torch.testing.assert_close(found, gradient(scorer), atol=1e-4, rtol=1e-3)


@pytest.fixture
def recipe_of(model_folder: Path, pairs_file: Path, tmp_path: Path) -> Callable[..., Recipe]:
    """Twelve pairs, with eight prompts and responses to retain."""
    kept = tmp_path / "kept.jsonl"
    rows = [{"prompt": f"Say {i}", "completion": f"Here is {i}"} for i in range(8)]
    kept.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def make(**changes: Any) -> Recipe:
        recipe = {
            "method": "dpo",
            "policy": str(model_folder),
            "data": {"train": str(pairs_file), "retain": str(kept), "retain_weight": 2.0},
            "lora": {"r": 4},
            "optim": {"learning_rate": 0.01, "items_per_step": 3, "epochs": 1.5},
            "checkpoint": {"every": 2},
            "dtype": "float32",
            "tokens_per_pass": 128,
        }
        return Recipe.model_validate(recipe | changes)

    return make


def test_retained_rows_come_beside_the_others_and_do_not_count_as_an_epoch(recipe_of):
    session = open_session(recipe_of())
    assert (len(session.train), len(session.retained)) == (12, 8)
    assert (session.plan.steps_per_epoch, session.plan.total) == (4, 6)
    passes = session.passes(session.plan.items_of(1))
    held = {role: [i for b in passes if b.role == role for i in b.items] for role in ("learn", "retain")}
    assert {role: len(items) for role, items in held.items()} == {"learn": 3, "retain": 3}
    assert all(item >= 12 for item in held["retain"])
    assert session.places[held["retain"][0]].startswith("kept.jsonl:")
    assert isinstance(session.objective, RetainObjective)
    assert not isinstance(session.eval_objective, RetainObjective)


UPPER = ".*layers[.]1[.].*_proj"  # of two layers: the states that enter it are computed once per row


@pytest.mark.parametrize("method", ["dpo", "sft", "kto"])
@pytest.mark.parametrize("targets", [".*_proj", UPPER], ids=["every layer", "upper layer"])
def test_r1_a_resumed_run_retains_the_same_rows(recipe_of, tmp_path, method, targets):
    changes: dict[str, Any] = {"method": method, "lora": {"r": 4, "dropout": 0.2, "targets": targets}}
    if method == "kto":
        changes["data"] = recipe_of().data.model_dump() | {"unpair": True}
        changes["optim"] = {"learning_rate": 0.01, "items_per_step": 5, "max_steps": 6, "epochs": 3}

    def train(name: str, stop: int | None = None) -> list[dict[str, Any]]:
        seen: list[dict[str, Any]] = []

        def watch(step: int, logs: Logs) -> None:
            seen.append({k: v for k, v in logs.items() if k not in ("seconds", "tokens_per_second")})
            if step == stop:
                raise KeyboardInterrupt

        with RunFolder.open(tmp_path / name) as folder:
            run(open_session(recipe_of(output=str(tmp_path / name), **changes)), folder, watch=[watch])
        return seen

    whole = train("whole")
    with pytest.raises(KeyboardInterrupt):
        train("cut", stop=3)
    rest = train("cut")
    assert len(rest) == 4, "from the checkpoint of step 2"
    assert rest == whole[2:]
    assert whole[-1]["kl/retained"] > 0
    last = "checkpoints/step-000006/model.safetensors"
    ours, theirs = load_file(tmp_path / "cut" / last), load_file(tmp_path / "whole" / last)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_what_is_computed_once_changes_no_number(recipe_of, monkeypatch):
    def logs(limit: int) -> list[Logs]:
        monkeypatch.setattr(frozen, "LIMIT", limit)
        session = open_session(recipe_of(method="sft", lora={"r": 4, "targets": UPPER}))
        seen: list[Logs] = []
        optimizer = make_optimizer(session.parts, session.recipe.optim)
        seen += [dict(session.learn(optimizer, step)) for step in range(1, session.plan.total + 1)]
        assert isinstance(session.objective, RetainObjective)
        assert isinstance(session.objective.states, frozen.KeptStates) == bool(limit)
        return seen

    for kept, computed in zip(logs(1 << 20), logs(0), strict=True):
        assert kept == pytest.approx(computed, rel=1e-4, abs=1e-5)
