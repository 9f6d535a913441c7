"""The models of a run: the scorer that its method trains, and the reference it is compared with."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from truing.config.recipe import Recipe
from truing.config.run_folder import resolved_dtype
from truing.core.doing import doing
from truing.core.messages import Say, message
from truing.core.places import cache_folder
from truing.data.chat import Renderer, make_renderer
from truing.data.stored import Stored
from truing.data.trees import Tree
from truing.kernels.fused import fuse
from truing.kernels.layers import fuse_layers
from truing.methods.offline import Chosen
from truing.models import reference
from truing.models.contents import contents_of
from truing.models.load import (
    add_adapter,
    ends_of,
    freeze_below,
    load_model,
    load_tokenizer,
    silence_dropout,
    without_adapter,
)
from truing.models.passes import tokens_per_pass
from truing.models.precision import Precision, pick_precision, slow_bf16
from truing.models.recompute import recompute_layers
from truing.models.reward import RewardScorer, choose_reward_layout
from truing.models.scoring import Scorer, Trunk, choose_layout
from truing.models.sharding import shard
from truing.models.sources import resolve
from truing.models.weights import require_rows
from truing.models.world import world
from truing.objectives.offline import Reference
from truing.runs.stored_reference import stored_reference


@dataclass(frozen=True)
class TrainedScorer:
    """A scorer in the layout that suits its model, and its tokenizer."""

    scorer: Scorer | RewardScorer
    layout_reason: str
    tokenizer: Any


def precision_of(recipe: Recipe, device: torch.device, say: Say) -> Precision:
    """Choose the number formats of a run: those of its recipe; under `auto`, those in which the run began.

    A run keeps its formats on another machine too, since other formats would change the numbers of its steps.
    The choice of rank 0 is that of all ranks. `say` is told where bfloat16 is slower than float32.
    """
    return world().from_main(lambda: _precision_of(recipe, device, say))


def _precision_of(recipe: Recipe, device: torch.device, say: Say) -> Precision:
    asked = recipe.dtype
    if asked == "auto":
        asked = resolved_dtype(Path(recipe.output)) or asked
    if asked == "bfloat16" and (warning := slow_bf16(device)):
        kept = message("{warning}; this run began in bfloat16 and keeps it", warning=warning)
        say(kept if recipe.dtype == "auto" else warning)
    return pick_precision(asked, device, adapter=recipe.lora is not None)


def renderer_of(recipe: Recipe, source: Path) -> Renderer:
    """Return the renderer of a recipe's rows; responses also end where the policy's folder says."""
    tokenizer = load_tokenizer(source, recipe.data.template_arguments)
    data = recipe.data
    return make_renderer(tokenizer, data.template, data.trust_control_tokens, ends=ends_of(source))


def trained_of(
    recipe: Recipe, source: Path, tokenizer: Any, precision: Precision, device: torch.device, chosen: Chosen
) -> TrainedScorer:
    """Open the policy or the reward model of an offline recipe, with the parameters that train marked."""
    if not chosen.method.scores:
        scorer, reason = trained_policy(recipe, source, precision, device, dropout=chosen.method.dropout)
        require_rows(scorer.inner, tokenizer, recipe.policy)
        return TrainedScorer(scorer, reason, tokenizer)
    from truing.models.reward_folder import load_reward  # reads heads of many kinds

    with doing(message("loading the weights of {source}", source=recipe.policy)):
        opened = load_reward(source, precision.base, device, seed=recipe.seed)
    model = prepared(opened.model, recipe, precision, "SEQ_CLS", dropout=chosen.method.dropout)
    if recipe.top_layers:
        freeze_below(opened.model, recipe.top_layers, head=True)
    scorer = RewardScorer(model, autocast=precision.autocast)
    scorer.layout, reason = choose_reward_layout(scorer, recipe.packing)
    opened.tokenizer.chat_template = tokenizer.chat_template  # with the arguments of the recipe
    return TrainedScorer(scorer, reason, opened.tokenizer)


def tell_of(scorer: Trunk, layout_reason: str, say: Say) -> None:
    """Tell the limits of a model: it takes no trees, or an adapter does not reach some weights."""
    if left := without_adapter(scorer.model):
        say(left)
    if scorer.layout == "padded":
        say(message("rows are padded, not packed: {reason}", reason=layout_reason))


def trained_policy(
    recipe: Recipe, source: Path, precision: Precision, device: torch.device, *, dropout: bool
) -> tuple[Scorer, str]:
    """Open the policy of a recipe with the parameters that train marked; return the layout's reason too."""
    with doing(message("loading the weights of {source}", source=recipe.policy)):
        base = load_model(source, precision.base, device)
        model = prepared(base, recipe, precision, "CAUSAL_LM", dropout=dropout)
    if recipe.top_layers:
        freeze_below(base, recipe.top_layers)
    scorer = Scorer(model, autocast=precision.autocast)
    scorer.layout, reason = choose_layout(scorer, recipe.packing)
    return scorer, reason


def prepared(
    base: PreTrainedModel, recipe: Recipe, precision: Precision, task: str, *, dropout: bool
) -> nn.Module:
    """Put the model in training mode, with the adapter the recipe asks for."""
    if recipe.activation_checkpointing:
        recompute_layers(base)
    model: nn.Module = base
    if recipe.lora is not None:
        seed, trained = recipe.seed, precision.trained
        model = add_adapter(base, recipe.lora, dropout=dropout, seed=seed, trained=trained, task=task)
        fuse(model)
    fuse_layers(model)
    model.train()
    silence_dropout(model, keep_adapter=dropout)
    return model


def live_reference(recipe: Recipe, scorer: Scorer, source: Path, precision: Precision) -> Reference:
    """Return the policy with its adapter off where that is the reference, else open a second model."""
    if recipe.lora is not None and not recipe.reference:
        return reference.AdapterOff(scorer)
    folder = resolve(recipe.reference).path if recipe.reference else source
    return reference.Live(_beside(scorer, folder, precision))


def _beside(scorer: Scorer, folder: Path, precision: Precision) -> Scorer:
    """Open the model of a folder as a second scorer beside the policy's, in shards where that is."""
    place = torch.device("cpu") if scorer.sharded else scorer.device
    model = load_model(folder, precision.base, place)
    other = Scorer(model, layout=scorer.layout, autocast=scorer.autocast)
    if scorer.sharded:
        shard(other, scorer.device)
    return other


def references(
    recipe: Recipe,
    chosen: Chosen,
    scorer: Scorer,
    source: Path,
    precision: Precision,
    trees: Sequence[Sequence[Tree]],
    say: Say,
    *,
    items: Sequence[int] | None = None,
) -> list[Reference | None]:
    """Return the reference of each list of trees, None where the loss needs none or the list is empty.

    The reference is the policy with its adapter off where the policy's start is the reference and each row is
    met once. It is a live second model where the scored pairs differ from epoch to epoch. Else its
    log-probabilities are computed once and kept on disk. With `items` of the first list, only these rows are
    scored, and nothing is kept.
    """
    if not chosen.needs_reference:
        return [None for _ in trees]
    own_start = recipe.lora is not None and not recipe.reference
    if own_start and (recipe.optim.epochs <= 1 or items is not None or chosen.needs_mismatched):
        return [reference.AdapterOff(scorer) for _ in trees]
    folder = resolve(recipe.reference).path if recipe.reference else source

    def second() -> Scorer:
        return _beside(scorer, folder, precision)

    if chosen.needs_mismatched:
        live = reference.Live(second())
        return [live for _ in trees]
    cut = tokens_per_pass(recipe, scorer)

    def scored(some: Sequence[Tree]) -> dict[int, torch.Tensor]:
        model = second()
        with doing(message("reference log-probabilities"), len(some)) as tick:
            return reference.score_all(model, some, cut, lambda done, total: tick(done))

    if items is not None:
        learnt = [item for item in items if item < len(trees[0])]  # the others are retained
        say(message("reference log-probabilities of {n} rows, those of step 1", n=len(learnt)))
        found = scored([trees[0][item] for item in learnt])
        return [reference.Cached({learnt[i]: logps for i, logps in found.items()}), *[None] * len(trees[1:])]
    made_of = (json.dumps(contents_of(folder)), reference.code_of_scoring())
    facts = (*made_of, str(precision), str(scorer.device), scorer.layout, str(cut))

    def cached(some: Sequence[Tree]) -> Reference | None:
        if not len(some):
            return None
        if isinstance(some, Stored):
            return stored_reference(some, facts, second, cut)
        key = reference.content_hash(some, *facts)

        def compute() -> dict[int, torch.Tensor]:
            say(message("reference log-probabilities of {n} rows, computed once", n=len(some)))
            return scored(some)

        return reference.cached(cache_folder() / "reference", key, compute)

    return list(_of_each(trees, cached))


def _of_each(
    trees: Sequence[Sequence[Tree]], find: Callable[[Sequence[Tree]], Reference | None]
) -> Iterator[Reference | None]:
    """Yield the reference of each list of trees; of these the rows to learn from come first."""
    for place, some in enumerate(trees):
        try:
            yield find(some)
        except reference.NoReferenceError as error:
            error.held_out = place > 0
            raise
