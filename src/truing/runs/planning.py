"""The plan of a run before it is begun: memory by part, pace, and the cheapest layout that fits.

    rows and config.json -> Work (sizes of a step) and Outline (a model without numbers) -> RunPlan

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
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

from truing.config.recipe import Recipe
from truing.core.messages import Say
from truing.data.packing import PackedBatch, Span
from truing.data.trees import Branch, Tree
from truing.kernels.attention import takes_trees
from truing.kernels.gated import fuse_gates
from truing.kernels.layers import fuse_layers
from truing.methods.offline import Chosen, choose
from truing.methods.online import choose_online
from truing.models.gpus import Gpu
from truing.models.layouts import Needs
from truing.models.load import freeze_below
from truing.models.numberless import without_numbers
from truing.models.operations import Reading, operations, reading_of
from truing.models.outline import Outline, PassMemory, outline_of
from truing.models.passes import LARGE, passes_of, tokens_per_pass
from truing.models.precision import Precision, pick_precision
from truing.models.reward import RewardScorer
from truing.models.scoring import Scorer
from truing.objectives.choices import ChosenOnline
from truing.runs.passes import step_passes
from truing.runs.policies import prepared, renderer_of
from truing.runs.rows import part, read_retained, read_rows
from truing.sampling.local import IN_FLIGHT

SEEN = 4096  # rows whose sizes are averaged


@dataclass(frozen=True)
class Work:
    """The rows of a run as far as a plan needs them."""

    longest: list[Tree]  # the longest rows, as many as a step has
    retained: list[Tree]
    each: Reading  # of a row, on average
    told: float  # tokens of a row, its prompt once per response
    rows: int
    steps: int


def read_work(recipe: Recipe, source: Path, say: Say) -> Work:
    """Read the rows of a recipe with the tokenizer in `source`."""
    from truing.config.names import ONLINE_METHODS

    renderer = renderer_of(recipe, source)
    if recipe.method in ONLINE_METHODS:
        from truing.rollouts.prompts import read_prompts

        prompts = read_prompts(recipe.data.train, recipe, renderer, say)
        return online_work(recipe, [prompt.tree for prompt in prompts.prompts])
    chosen = choose(recipe.method, recipe.loss.mix or recipe.loss.name, recipe.loss.hyper)
    rows = read_rows(recipe.data.train, recipe, chosen, renderer, say)
    kept = read_retained(recipe, renderer, say)
    return work_of(recipe, part(rows, None, recipe, say).learnt, kept.trees if kept else [])


def work_of(recipe: Recipe, trees: Sequence[Tree], retained: Sequence[Tree] = ()) -> Work:
    """Measure the rows that a run learns from."""
    from truing.runs.opened import plan_of

    few = trees[:: max(1, len(trees) // SEEN)]
    total = sum((reading_of(tree) for tree in few), Reading(0, 0, 0))
    told = sum(len(tree.prompt) + len(branch) for tree in few for branch in tree.branches)
    ordered = sorted(trees, key=len, reverse=True)[: recipe.optim.items_per_step]
    steps = plan_of(recipe, len(trees), len(retained)).total
    kept = sorted(retained, key=len, reverse=True)[: recipe.optim.items_per_step]
    return Work(ordered, kept, total.times(1 / len(few)), told / len(few), len(trees), steps)


def online_work(recipe: Recipe, prompts: Sequence[Tree]) -> Work:
    """Measure the prompts that a run asks, each with a whole group of responses of full length."""
    chosen, new = _online(recipe), recipe.sampling.max_new_tokens
    size = recipe.online.group_size or chosen.method.group_size
    answered = Branch([0] * new, [True] * new)
    return work_of(recipe, [replace(tree, branches=(answered,) * size) for tree in prompts])


def _online(recipe: Recipe) -> ChosenOnline:
    new = recipe.sampling.max_new_tokens
    return choose_online(recipe.method, recipe.loss.name, recipe.loss.hyper, max_length=new)


@dataclass(frozen=True)
class Planned:
    """A recipe outlined for a kind of device: None is this machine's CPU."""

    recipe: Recipe
    work: Work
    source: Path
    gpu: bool

    @cached_property
    def chosen(self) -> Chosen | ChosenOnline:
        if self.online:
            return _online(self.recipe)
        loss = self.recipe.loss
        return choose(self.recipe.method, loss.mix or loss.name, loss.hyper)

    @property
    def online(self) -> bool:
        from truing.config.names import ONLINE_METHODS

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
        found = outline_of(config, self._scorer, self.recipe.top_layers)
        with without_numbers():
            (fuse_gates if self.gpu else fuse_layers)(found.scorer.inner)
        return found

    def _scorer(self, config: Any, top_layers: int | None) -> Scorer | RewardScorer:
        chosen, low = self.chosen, self.precision.autocast
        scores = isinstance(chosen, Chosen) and chosen.method.scores
        dropout = isinstance(chosen, Chosen) and chosen.method.dropout
        if scores:
            config.num_labels = 1
            config.pad_token_id = config.pad_token_id or 0
        kind = AutoModelForSequenceClassification if scores else AutoModelForCausalLM
        base = kind.from_config(config, dtype=self.precision.base)
        task = "SEQ_CLS" if scores else "CAUSAL_LM"
        model = prepared(base, self.recipe, self.precision, task, dropout=dropout)
        if top_layers:
            freeze_below(base, top_layers, head=scores)
        layout = "trees" if takes_trees(base) and self.recipe.packing != "padded" else "padded"
        return (RewardScorer if scores else Scorer)(model, layout=layout, autocast=low)

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
        """Count the bytes of the fullest pass."""
        passes = self.passes()
        fullest = max(passes, key=lambda batch: batch.tokens.numel())
        return self.outline.pass_memory(fullest, again=len(passes) > 1)

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

    @property
    def shards(self) -> bool:
        """Tell whether the method trains in shards: online methods and retained rows do not."""
        return not self.online and not self.recipe.data.retain

    def needs(self, process: int) -> Needs:
        """Return the bytes of the run undivided, with those of the process around it."""
        outline, whole = self.outline, self.outline.whole
        draws = self.online and not self.recipe.sampling.served
        laid_out = 0 if self.gpu else whole.frozen + whole.trained  # the lean decoder's copy of the weights
        critic = whole.adapters if isinstance(self.chosen, ChosenOnline) and self.chosen.needs_critic else 0
        return Needs(
            root=outline.root,
            layer=outline.layer,
            whole=whole._replace(adapters=whole.adapters + critic),
            beside=self.beside(),
            learning=self.learning,
            sampler=laid_out + self.cache() if draws else 0,
            process=process,
            together=self.gpu,
        )

    def cache(self) -> int:
        """Return the bytes of keys and values of the sampler on the learner's own device."""
        config = self.outline.scorer.inner.config.get_text_config()
        # Some configs leave these out where they follow from the others.
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        depth = self.outline.depth
        size = (self.precision.autocast or self.precision.base).itemsize
        longest = max(map(len, self.work.longest))
        return 2 * depth * heads * width * size * max(IN_FLIGHT, longest)


def _one_path(batch: PackedBatch) -> PackedBatch:
    """Return a packed row as one path, whose attention keeps what FlexAttention keeps of its trees."""
    if batch.spans is None:
        return batch
    return replace(batch, spans=(Span(0, batch.tokens.shape[1], ()),))


def seconds_on(gpu: Gpu, planned: Planned, ranks: int) -> float:
    """Estimate the seconds of a step: a share of the peak for products, one of the bandwidth for sampling."""
    learning = planned.operations() / (UTILISATION * gpu.bf16 * ranks)
    return learning + (_sampling(gpu, planned, ranks) if planned.online else 0.0)


UTILISATION = 0.3  # of the peak: published runs of 0.6B to 7B reach 11 to 37 %
OF_BANDWIDTH = 0.5  # while responses are drawn


def _sampling(gpu: Gpu, planned: Planned, ranks: int) -> float:
    """Estimate the seconds in which a rank draws its responses: a token reads the weights and the cache."""
    recipe, work = planned.recipe, planned.work
    if recipe.sampling.served:
        return 0.0
    rows = recipe.optim.items_per_step * len(work.longest[0].branches) / ranks
    longest = work.told / len(work.longest[0].branches)
    rounds = math.ceil(rows * longest / IN_FLIGHT)
    read = planned.outline.whole.held + planned.cache() / 2  # half full on average
    return rounds * recipe.sampling.max_new_tokens * read / (OF_BANDWIDTH * gpu.bandwidth)
