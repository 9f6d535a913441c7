"""From a recipe to a run: rows to trees, a policy, an objective, an optimiser, and the loop over them.

    recipe -> Rows (records, trees, counts) -> Session (scorer, objective, optimiser, plan) -> run folder

`truing check` stops before the first update, `truing train` goes on; both see the same session.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from truing.core.errors import DataError
from truing.core.recipe import Recipe
from truing.data.chat import Renderer, make_renderer
from truing.data.limits import ASIDE, Rendered, render_all
from truing.data.load import Loaded, load_records
from truing.data.packing import LAYOUTS, PackedBatch, split_into_passes
from truing.data.trees import Tree
from truing.methods.objectives import Reference
from truing.methods.offline import Chosen, choose
from truing.models import reference
from truing.models.fused import fuse
from truing.models.load import (
    Precision,
    add_adapter,
    freeze_below,
    load_model,
    load_tokenizer,
    pick_device,
    pick_precision,
    silence_dropout,
)
from truing.models.scoring import Scorer, choose_layout
from truing.models.sources import cache_folder, resolve
from truing.models.trained import Policy
from truing.train.hooks import Logs
from truing.train.offline import evaluate
from truing.train.plan import Plan
from truing.train.step import Objective

Say = Callable[[str], None]


@dataclass(frozen=True)
class Rows:
    """What the files held, and the trees made of it."""

    loaded: Loaded
    rendered: Rendered
    trees: list[Tree]
    taught: int  # records the method can learn from, before length limits

    @property
    def read(self) -> int:
        return sum(source.read for source in self.loaded.sources)

    @property
    def aside(self) -> dict[str, int]:
        """Rows read but not trained on, by reason. Kept + set aside = read."""
        counts: Counter[str] = Counter()
        for source in self.loaded.sources:
            counts += source.set_aside
        if unfit := len(self.loaded.records) - self.taught:
            counts["unfit-for-method"] = unfit
        counts += Counter({reason.value: self.rendered.counts[reason] for reason in ASIDE})
        assert len(self.trees) + sum(counts.values()) == self.read
        return dict(counts)

    @property
    def summary(self) -> dict[str, Any]:
        return {"read": self.read, "kept": len(self.trees), "set_aside": self.aside}


def read_rows(
    paths: Sequence[str],
    recipe: Recipe,
    chosen: Chosen,
    renderer: Renderer,
    say: Say,
    aside: Path | None = None,
) -> Rows:
    """Load, select and render. Raises DataError when nothing is left to train on."""
    data = recipe.data
    loaded = load_records(paths, format=data.format, bad_rows=data.bad_rows, quarantine=aside)
    for source in loaded.sources:
        say(source.describe())
    taught = [part for record in loaded.records if (part := chosen.method.teaches(record)) is not None]
    if not taught:
        kinds = sorted({record.kind.value for record in loaded.records})
        raise DataError(
            f"{', '.join(paths)}: {recipe.method} needs {chosen.method.wants}, "
            f"these rows are {', '.join(kinds)}",
            hint="see which methods fit with `truing data show`",
        )
    rendered = render_all(taught, renderer, data.max_tokens, data.truncation)
    if not rendered.trees:
        raise DataError(
            f"{', '.join(paths)}: none of {len(taught)} rows can be used with data.max_tokens = "
            f"{data.max_tokens}: {dict(rendered.counts)}",
            hint="raise data.max_tokens or set data.truncation: prompt-left",
        )
    return Rows(loaded, rendered, list(rendered.trees), len(taught))


def split_off(trees: list[Tree], share: float, seed: int) -> tuple[list[Tree], list[Tree]]:
    """A share of the trees, drawn by seed, is kept for evaluation."""
    held = max(1, round(len(trees) * share)) if share else 0
    if held >= len(trees):
        raise DataError(f"data.eval_fraction {share} of {len(trees)} rows leaves none to train on")
    order = np.random.Generator(np.random.Philox(key=[seed, 2**32])).permutation(len(trees))
    out = set(order[:held].tolist())
    return [t for i, t in enumerate(trees) if i not in out], [t for i, t in enumerate(trees) if i in out]


@dataclass
class Session:
    """Everything of a run that lives in memory."""

    recipe: Recipe
    chosen: Chosen
    tokenizer: Any
    renderer: Renderer
    rows: Rows
    train: list[Tree]
    held_out: list[Tree]
    scorer: Scorer
    precision: Precision
    layout_reason: str
    source: Path  # the folder of the policy's weights
    objective: Objective = field(init=False)
    eval_objective: Objective = field(init=False)

    @property
    def plan(self) -> Plan:
        optim = self.recipe.optim
        return Plan(len(self.train), optim.items_per_step, optim.epochs, self.recipe.seed, optim.max_steps)

    @property
    def model(self) -> Policy:
        return cast(Policy, self.scorer.model)

    @property
    def learning_rate(self) -> float:
        method = self.chosen.method
        default = method.adapter_rate if self.recipe.lora else method.full_rate
        return self.recipe.optim.learning_rate or default

    def passes(self, items: Sequence[int], *, held_out: bool = False) -> list[PackedBatch]:
        """The passes that hold these items."""
        pool, layout = (self.held_out if held_out else self.train), self.scorer.layout
        trees = [pool[i] for i in items]
        groups = split_into_passes(trees, self.recipe.tokens_per_pass, layout)
        return [
            LAYOUTS[layout]([trees[i] for i in group], [items[i] for i in group]).to(self.scorer.device)
            for group in groups
        ]

    def evaluation(self) -> Logs:
        return evaluate(self.passes(range(len(self.held_out)), held_out=True), self.eval_objective)

    def tokens_of(self, step: int) -> int:
        """Tokens behind a step, every prompt counted once per response, without padding."""
        trees = (self.train[i] for i in self.plan.items_of(step))
        return sum(len(tree.prompt) + len(branch) for tree in trees for branch in tree.branches)


def open_session(recipe: Recipe, say: Say = lambda line: None, *, aside: Path | None = None) -> Session:
    """Load rows and weights, choose the layout, bind the objective. Nothing is trained yet."""
    chosen = choose(recipe.method, recipe.loss.name, recipe.loss.hyper)
    source = resolve(recipe.policy).path
    tokenizer = load_tokenizer(source)
    renderer = make_renderer(tokenizer, recipe.data.template, recipe.data.trust_control_tokens)
    rows = read_rows(recipe.data.train, recipe, chosen, renderer, say, aside)
    if recipe.data.eval:
        pool, held_out = rows.trees, read_rows(recipe.data.eval, recipe, chosen, renderer, say).trees
    else:
        pool, held_out = split_off(rows.trees, recipe.data.eval_fraction, recipe.seed)
    device = pick_device(recipe.device)
    precision = pick_precision(recipe.dtype, device, adapter=recipe.lora is not None)
    model = policy_of(recipe, source, precision, device, chosen)
    scorer = Scorer(model, autocast=precision.autocast)
    scorer.layout, reason = choose_layout(scorer, recipe.packing)
    if scorer.layout == "padded":
        say(f"rows are padded, not packed: {reason}")
    session = Session(
        recipe, chosen, tokenizer, renderer, rows, pool, held_out, scorer, precision, reason, source
    )
    train_ref, eval_ref = references(session, say)
    session.objective = chosen.objective(scorer, train_ref)
    session.eval_objective = chosen.objective(scorer, eval_ref)
    return session


def policy_of(
    recipe: Recipe, source: Path, precision: Precision, device: torch.device, chosen: Chosen
) -> nn.Module:
    """The policy's weights, with what trains and what does not settled."""
    base = load_model(source, precision.base, device)
    if recipe.activation_checkpointing:
        base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        base.enable_input_require_grads()
    model: nn.Module = base
    if recipe.lora:
        model = add_adapter(
            base, recipe.lora, dropout=chosen.method.dropout, seed=recipe.seed, trained=precision.trained
        )
        fuse(model)
    elif recipe.top_layers:
        freeze_below(base, recipe.top_layers)
    model.train()
    silence_dropout(model, keep_adapter=chosen.method.dropout)
    return model


def references(session: Session, say: Say) -> tuple[Reference | None, Reference | None]:
    """The reference of the training and of the held-out trees, None where the loss needs none."""
    if not session.chosen.needs_reference:
        return None, None
    recipe, scorer = session.recipe, session.scorer
    if recipe.lora and not recipe.reference and recipe.optim.epochs <= 1:
        off = reference.AdapterOff(scorer)
        return off, off
    folder = cache_folder() / "reference"
    source = resolve(recipe.reference).path if recipe.reference else session.source
    facts = (str(source), reference.fingerprint(source), str(session.precision), scorer.layout)

    def logps_of(trees: list[Tree], name: str) -> Reference | None:
        if not trees:
            return None
        key = reference.content_hash(trees, *facts, str(recipe.tokens_per_pass))

        def compute() -> dict[int, torch.Tensor]:
            say(f"reference log-probabilities of {len(trees)} {name} rows, computed once")
            other = Scorer(
                load_model(source, session.precision.base, scorer.device),
                layout=scorer.layout,
                autocast=scorer.autocast,
            )
            return reference.score_all(other, trees, recipe.tokens_per_pass)

        return reference.cached(folder, key, compute)

    return logps_of(session.train, "training"), logps_of(session.held_out, "held-out")


def describe_inputs(session: Session) -> dict[str, Any]:
    """What a resumed run must find unchanged beside its recipe: the rows, and every default that acted."""
    return {
        "inputs": {source.path: source.sha256 for source in session.rows.loaded.sources},
        "resolved": {
            "loss": session.chosen.loss.__name__,
            "hyper": session.chosen.hyper | session.chosen.extras,
            "learning_rate": session.learning_rate,
        },
    }
