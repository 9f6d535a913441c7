"""What a run trains and what it is compared with: the scorer of the method, and the reference."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from truing.core.recipe import Recipe
from truing.data.trees import Tree
from truing.methods.objectives import Reference
from truing.methods.offline import Chosen
from truing.methods.rows import Say
from truing.models import reference
from truing.models.fused import fuse
from truing.models.load import Precision, add_adapter, freeze_below, load_model, silence_dropout
from truing.models.reward import RewardScorer, choose_reward_layout, freeze_reward_below
from truing.models.reward_folder import load_reward
from truing.models.scoring import Scorer, choose_layout
from truing.models.sources import cache_folder, resolve


@dataclass(frozen=True)
class Trained:
    """A scorer in the layout that suits its model, and its tokenizer."""

    scorer: Scorer | RewardScorer
    tokenizer: Any
    layout_reason: str


def trained_of(
    recipe: Recipe, source: Path, tokenizer: Any, precision: Precision, device: torch.device, chosen: Chosen
) -> Trained:
    """The policy of a recipe, or its reward model, with what trains and what does not settled."""
    if chosen.method.scores:
        opened = load_reward(source, precision.base, device, seed=recipe.seed)
        base, tokenizer = opened.model, opened.tokenizer
        freeze = freeze_reward_below
    else:
        base, freeze = load_model(source, precision.base, device), freeze_below
    if recipe.activation_checkpointing:
        base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        base.enable_input_require_grads()
    model = _adapted(base, recipe, precision, chosen)
    if recipe.top_layers:
        freeze(base, recipe.top_layers)
    model.train()
    silence_dropout(model, keep_adapter=chosen.method.dropout)
    if chosen.method.scores:
        scorer = RewardScorer(model, autocast=precision.autocast)
        scorer.layout, reason = choose_reward_layout(scorer, recipe.packing)
    else:
        scorer = Scorer(model, autocast=precision.autocast)
        scorer.layout, reason = choose_layout(scorer, recipe.packing)
    return Trained(scorer, tokenizer, reason)


def _adapted(base: PreTrainedModel, recipe: Recipe, precision: Precision, chosen: Chosen) -> nn.Module:
    if recipe.lora is None:
        return base
    model = add_adapter(
        base,
        recipe.lora,
        dropout=chosen.method.dropout,
        seed=recipe.seed,
        trained=precision.trained,
        task="SEQ_CLS" if chosen.method.scores else "CAUSAL_LM",
    )
    fuse(model)
    return model


def references(
    recipe: Recipe,
    chosen: Chosen,
    scorer: Scorer,
    source: Path,
    precision: Precision,
    trees: Sequence[list[Tree]],
    say: Say,
) -> list[Reference | None]:
    """The reference of each list of trees, None where the loss needs none or the list is empty.

    Adapter off where the policy's own start serves and each row is met once; a live second model where the
    pairs scored differ from epoch to epoch; else log-probabilities worked out once and kept on disk.
    """
    if not chosen.needs_reference:
        return [None for _ in trees]
    own_start = recipe.lora is not None and not recipe.reference
    if own_start and (recipe.optim.epochs <= 1 or chosen.needs_mismatched):
        return [reference.AdapterOff(scorer) for _ in trees]
    folder = resolve(recipe.reference).path if recipe.reference else source

    def second() -> Scorer:
        model = load_model(folder, precision.base, scorer.device)
        return Scorer(model, layout=scorer.layout, autocast=scorer.autocast)

    if chosen.needs_mismatched:
        live = reference.Live(second())
        return [live for _ in trees]
    facts = (str(folder), reference.fingerprint(folder), str(precision), scorer.layout)

    def cached(some: list[Tree]) -> Reference | None:
        if not some:
            return None
        key = reference.content_hash(some, *facts, str(recipe.tokens_per_pass))

        def compute() -> dict[int, torch.Tensor]:
            say(f"reference log-probabilities of {len(some)} rows, computed once")
            return reference.score_all(second(), some, recipe.tokens_per_pass)

        return reference.cached(cache_folder() / "reference", key, compute)

    return [cached(some) for some in trees]
