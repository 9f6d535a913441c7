"""The plan of a run before it is begun: memory by part, pace, and the cheapest layout that fits.

    rows and config.json -> RunSizes (sizes of a step) and Outline (a model without numbers) -> RunPlan

No weights are opened. On this machine the pace is that of the first step, where `truing check` has computed
it; on a GPU of the table it is a share of the data sheet's peak, an estimate and no measurement.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)

from truing.config.names import ONLINE_METHODS
from truing.config.recipe import Recipe
from truing.core.errors import ModelError
from truing.core.messages import Say
from truing.data.packing import PackedBatch, Span
from truing.data.stored import largest
from truing.data.trees import Branch, Tree
from truing.kernels.attention import takes_trees
from truing.kernels.gated import fuse_gates
from truing.kernels.layers import fuse_layers
from truing.methods.offline import Chosen, choose
from truing.methods.online import choose_online
from truing.models.gpus import Gpu
from truing.models.layouts import Needs
from truing.models.load import freeze_below, layers_of
from truing.models.numberless import without_numbers
from truing.models.operations import TreeSizes, head_width, operations, sizes_of
from truing.models.outline import GroupBytes, Outline, PassMemory, outline_of, outlining
from truing.models.passes import LARGE, passes_of, tokens_per_pass
from truing.models.precision import Precision, pick_precision
from truing.models.reward import RewardScorer
from truing.models.scoring import Scorer
from truing.objectives.choices import ChosenOnline
from truing.runs.opened import plan_of
from truing.runs.passes import step_passes
from truing.runs.policies import prepared, renderer_of
from truing.runs.rows import part, read_retained, read_rows
from truing.sampling.local import IN_FLIGHT

SEEN = 4096  # rows whose sizes are averaged
UTILISATION = 0.3  # of a GPU's peak: published runs of 0.6B to 7B reach 11 to 37 %
OF_BANDWIDTH = 0.5  # of a GPU's, while responses are drawn


@dataclass(frozen=True)
class RunSizes:
    """The rows of a run as far as a plan needs them."""

    longest: list[Tree]  # the longest rows, as many as a step has
    retained: list[Tree]
    each: TreeSizes  # of a row, on average
    told: float  # tokens of a row, its prompt once per response
    steps: int


def read_work(recipe: Recipe, source: Path, say: Say) -> RunSizes:
    """Read the rows of a recipe with the tokenizer in `source`."""
    renderer = renderer_of(recipe, source)
    if recipe.method in ONLINE_METHODS:
        from truing.rollouts.prompts import read_prompts

        prompts = read_prompts(recipe.data.train, recipe, renderer, say)
        return online_work(recipe, [prompt.tree for prompt in prompts.prompts])
    chosen = choose(recipe.method, recipe.loss.mix or recipe.loss.name, recipe.loss.hyper)
    rows = read_rows(recipe.data.train, recipe, chosen, renderer, say)
    kept = read_retained(recipe, renderer, say)
    return work_of(recipe, part(rows, None, recipe, say).learnt, kept.trees if kept else [])


def work_of(recipe: Recipe, trees: Sequence[Tree], retained: Sequence[Tree] = ()) -> RunSizes:
    """Measure the rows that a run learns from."""
    few = [trees[at] for at in range(0, len(trees), max(1, len(trees) // SEEN))]
    total = sum((sizes_of(tree) for tree in few), TreeSizes(0, 0, 0))
    told = sum(len(tree.prompt) + len(branch) for tree in few for branch in tree.branches)
    most = recipe.optim.items_per_step
    longest, kept = (largest(some, most) for some in (trees, retained))
    steps = plan_of(recipe, len(trees), len(retained)).total
    return RunSizes(longest, kept, total.times(1 / len(few)), told / len(few), steps)


def online_work(recipe: Recipe, prompts: Sequence[Tree]) -> RunSizes:
    """Measure the prompts that a run asks, each with a whole group of responses of full length."""
    chosen, new = _online(recipe), recipe.sampling.max_new_tokens
    size = recipe.online.group_size or chosen.method.group_size
    answered = Branch([0] * new, [True] * new)
    return work_of(recipe, [replace(tree, branches=(answered,) * size) for tree in prompts])


def _online(recipe: Recipe) -> ChosenOnline:
    new = recipe.sampling.max_new_tokens
    return choose_online(recipe.method, recipe.loss.name, recipe.loss.hyper, max_length=new)


@dataclass(frozen=True)
class OutlinedRun:
    """A recipe outlined for a GPU, or for this machine's CPU."""

    recipe: Recipe
    work: RunSizes
    source: Path
    gpu: bool
    layout: str | None = None  # of rows, where a trial has chosen it

    @cached_property
    def chosen(self) -> Chosen | ChosenOnline:
        if self.online:
            return _online(self.recipe)
        loss = self.recipe.loss
        return choose(self.recipe.method, loss.mix or loss.name, loss.hyper)

    @property
    def online(self) -> bool:
        return self.recipe.method in ONLINE_METHODS

    @cached_property
    def precision(self) -> Precision:
        asked, cpu = self.recipe.dtype, torch.device("cpu")
        if self.gpu and asked == "auto":
            asked = "bfloat16"
        return pick_precision(asked, cpu, adapter=self.recipe.lora is not None)

    @cached_property
    def outline(self) -> Outline:
        config = AutoConfig.from_pretrained(self.source, trust_remote_code=False)
        chosen = self.chosen  # an own loss is tried on numbers, which an outline has not
        scores = isinstance(chosen, Chosen) and chosen.method.scores
        found = outline_of(
            config,
            lambda config: self._base(config, scores=scores),
            lambda base, top: self._scorer(chosen, base, top, scores=scores),
            self.recipe.top_layers,
        )
        with without_numbers():
            (fuse_gates if self.gpu else fuse_layers)(found.scorer.inner)
        return found

    def _base(self, config: Any, *, scores: bool) -> PreTrainedModel:
        if scores:
            config.num_labels = 1
            config.pad_token_id = config.pad_token_id or 0
        kind = AutoModelForSequenceClassification if scores else AutoModelForCausalLM
        return kind.from_config(config, dtype=self.precision.base)

    def _scorer(
        self, chosen: Chosen | ChosenOnline, base: PreTrainedModel, top_layers: int | None, *, scores: bool
    ) -> Scorer | RewardScorer:
        dropout = isinstance(chosen, Chosen) and chosen.method.dropout
        task = "SEQ_CLS" if scores else "CAUSAL_LM"
        model = prepared(base, self.recipe, self.precision, task, dropout=dropout)
        if top_layers:
            freeze_below(base, top_layers, head=scores)
        trees = takes_trees(base) and self.recipe.packing != "padded"
        layout = self.layout or ("trees" if trees else "padded")
        return (RewardScorer if scores else Scorer)(model, layout=layout, autocast=self.precision.autocast)

    def passes(self) -> list[PackedBatch]:
        """Return the passes of the fullest step there could be."""
        scorer, recipe = self.outline.scorer, self.recipe
        assert isinstance(scorer, Scorer | RewardScorer)
        if self.gpu and not isinstance(recipe.tokens_per_pass, int):
            recipe = recipe.model_copy(update={"tokens_per_pass": LARGE})
        trees = dict(enumerate(self.work.longest))
        if not isinstance(self.chosen, Chosen):
            found = passes_of(trees, scorer, tokens_per_pass(recipe, scorer))
        else:
            retained = {len(trees) + i: tree for i, tree in enumerate(self.work.retained)}
            found = step_passes(trees, retained, recipe, self.chosen, scorer)
        return [_one_path(batch) for batch in found] if self.gpu else found

    @cached_property
    def learning(self) -> PassMemory:
        """Count the bytes of the fullest pass, in padded rows where the model cannot run packed ones."""
        try:
            return self._pass_memory()
        except ModelError:
            if self.outline.scorer.layout == "padded":
                raise
            self.outline.scorer.layout = "padded"
            return self._pass_memory()

    def _pass_memory(self) -> PassMemory:
        passes = self.passes()
        fullest = max(passes, key=lambda batch: batch.tokens.numel())
        critic = isinstance(self.chosen, ChosenOnline) and self.chosen.needs_critic  # its passes come behind
        return self.outline.pass_memory(fullest, again=critic or len(passes) > 1)

    def operations(self) -> float:
        """Return the operations of a step, with its reference; those of sampling are not among them."""
        chosen = self.chosen
        read = self.work.each.times(self.recipe.optim.items_per_step)
        if isinstance(chosen, Chosen):
            return operations(self.outline.products, read, reads=int(chosen.needs_reference))
        online = self.recipe.online
        learns = online.epochs or chosen.method.epochs
        old = learns * online.mini_batches > 1 or chosen.settings.kl_in == "reward" or chosen.needs_sampler
        reads = int(chosen.needs_reference) + int(old)
        return operations(self.outline.products, read, learns=learns, reads=reads)

    def beside(self) -> int:
        """Return the bytes of a reference that is a model of its own."""
        chosen, whole = self.chosen, self.outline.whole
        own = self.recipe.reference is None and self.recipe.lora is not None
        live = chosen.needs_mismatched if isinstance(chosen, Chosen) else chosen.needs_reference
        return whole.frozen + whole.trained if live and not own else 0

    def opening(self) -> int:
        """Return the bytes of a reference that computes its numbers before the first step."""
        chosen, recipe, whole = self.chosen, self.recipe, self.outline.whole
        if not isinstance(chosen, Chosen) or not chosen.needs_reference or chosen.needs_mismatched:
            return 0
        off = recipe.lora is not None and not recipe.reference and recipe.optim.epochs <= 1
        return 0 if off else whole.frozen + whole.trained

    def _critic(self) -> GroupBytes | None:
        """Return what a critic trains: another adapter of the backbone, or a whole model of its own."""
        if not isinstance(self.chosen, ChosenOnline) or not self.chosen.needs_critic:
            return None
        whole = self.outline.whole
        adapted = self.recipe.lora is not None
        return GroupBytes(0, 0 if adapted else whole.frozen + whole.trained, whole.adapters)

    def needs(self, process: int) -> Needs:
        """Return the bytes of the run undivided, with those of the process around it."""
        outline = self.outline
        whole = outline.whole
        draws = self.online and not self.recipe.sampling.served
        held = whole.frozen + whole.trained
        laid_out = 0 if self.gpu else held  # the lean decoder's copy of the weights
        # Rank 0 joins whole weights for servers on the host.
        joins = draws or (self.online and self.recipe.lora is None and not self.gpu)
        learning, critic = self.learning, self._critic()
        if critic:
            whole = whole._replace(trained=whole.trained + critic.trained, adapters=2 * whole.adapters)
            learning = replace(learning, gradients=learning.gradients + critic.trained + critic.adapters)
        return Needs(
            root=outline.root,
            layer=outline.layer,
            whole=whole,
            beside=self.beside(),
            opening=self.opening(),
            learning=learning,
            sampler=laid_out + self.cache() if draws else 0,
            joined=held if joins else 0,
            process=process,
            together=self.gpu,
        )

    def cache(self) -> int:
        """Return the bytes of keys and values of the sampler on the learner's own device."""
        model = self.outline.scorer.inner
        config = model.config.get_text_config()
        with outlining(type(model).__name__):
            width = head_width(model, layers_of(model, "a plan")[-1])
            # Some configs leave this out where it follows from the others.
            heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        depth = self.outline.depth
        size = (self.precision.autocast or self.precision.base).itemsize
        # A prompt is held once for its siblings on a CPU, and once for each on a GPU; a group is not split.
        trees = self.work.longest
        groups = [len(tree) + self.gpu * len(tree.prompt) * (len(tree.branches) - 1) for tree in trees]
        return 2 * depth * heads * width * size * max([min(IN_FLIGHT, sum(groups)), *groups])


def _one_path(batch: PackedBatch) -> PackedBatch:
    """Return a packed row as one path, whose attention keeps what FlexAttention keeps of its trees."""
    if batch.spans is None:
        return batch
    length = batch.tokens.shape[1]
    return replace(batch, spans=(Span(0, length - 1, ((length - 1, length),)),))


def seconds_on(gpu: Gpu, planned: OutlinedRun, ranks: int) -> float:
    """Estimate the seconds of a step: a share of the peak for products, one of the bandwidth for sampling."""
    learning = planned.operations() / (UTILISATION * gpu.bf16 * ranks)
    return learning + (_sampling(gpu, planned, ranks) if planned.online else 0.0)


def _sampling(gpu: Gpu, planned: OutlinedRun, ranks: int) -> float:
    """Estimate the seconds in which a rank draws its responses: a token reads the weights and the cache."""
    recipe, work = planned.recipe, planned.work
    if recipe.sampling.served:
        return 0.0
    rows = recipe.optim.items_per_step * len(work.longest[0].branches) / ranks
    longest = work.told / len(work.longest[0].branches)
    rounds = math.ceil(rows * longest / IN_FLIGHT)
    read = planned.outline.whole.held + planned.cache() / 2  # half full on average
    return rounds * recipe.sampling.max_new_tokens * read / (OF_BANDWIDTH * gpu.bandwidth)
