"""From a recipe of an online method to a run: prompts, a policy, a sampler, rewards, and what a step learns.

recipe -> Prompts -> OnlineSession (sampler, rewards, teacher) -> steps of train/online.py -> run folder
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch

from truing.core.errors import ConfigError
from truing.core.recipe import Recipe
from truing.data.chat import make_renderer
from truing.data.load import SourceReport
from truing.data.packing import PackedBatch
from truing.losses.kl import KlController
from truing.methods.objectives import Reference
from truing.methods.online import ChosenOnline, choose_online
from truing.methods.policies import trained_policy
from truing.methods.policy_gradient import PolicyObjective
from truing.methods.prompts import Prompt, Prompts, read_prompts
from truing.methods.rollouts import Rollouts, Teacher, cut
from truing.methods.rows import Rows, Say, split_off
from truing.models.load import Precision, load_model, load_tokenizer, pick_device, pick_precision
from truing.models.reference import AdapterOff, Live
from truing.models.scoring import Scorer
from truing.models.sources import resolve
from truing.models.trained import Policy
from truing.rewards.build import build_mix
from truing.rewards.mix import Mix, Scores
from truing.sampling.local import LocalSampler
from truing.sampling.types import Sample, Sampling
from truing.train.hooks import Hook, Logs
from truing.train.online import Gathered, train
from truing.train.plan import Plan
from truing.train.step import DivergedItems, Objective

EVALUATION = 2**32  # the step whose random numbers evaluation draws with; no run is as long


@dataclass
class OnlineSession:
    """Everything of an online run that lives in memory."""

    recipe: Recipe
    chosen: ChosenOnline
    tokenizer: Any
    rows: Rows
    train: list[Prompt]
    held_out: list[Prompt]
    sources: list[SourceReport]
    precision: Precision
    layout_reason: str
    sampler: LocalSampler
    rewards: Mix
    teacher: Teacher
    controller: KlController
    log_sample: Callable[[int, dict[str, Any]], None] = lambda step, row: None
    sampled: int = field(default=0, init=False)  # tokens of the newest step

    @property
    def scores(self) -> bool:
        """Whether a reward model is trained, not a policy."""
        return False

    @property
    def scorer(self) -> Scorer:
        return self.teacher.scorer

    @property
    def model(self) -> Policy:
        return cast(Policy, self.scorer.model)

    @property
    def plan(self) -> Plan:
        optim = self.recipe.optim
        return Plan(len(self.train), optim.items_per_step, optim.epochs, self.recipe.seed, optim.max_steps)

    @property
    def learning_rate(self) -> float:
        method = self.chosen.method
        default = method.adapter_rate if self.recipe.lora else method.full_rate
        return self.recipe.optim.learning_rate or default

    @property
    def group_size(self) -> int:
        return self.recipe.online.group_size or self.chosen.method.group_size

    def sampling(self) -> Sampling:
        asked = self.recipe.sampling.model_dump()
        return Sampling(**asked, seed=self.recipe.seed, logprobs=True)

    def answers(
        self, asked: Sequence[Prompt], keys: Sequence[int], step: int, group_size: int
    ) -> list[Sample]:
        """Responses of the policy as it is now, `group_size` to each prompt, siblings next to each other."""
        ids = [prompt.tree.prompt for prompt in asked]
        return self.sampler.sample(ids, self.sampling(), group_size=group_size, step=step, keys=keys)

    def score(self, asked: Sequence[Prompt], samples: Sequence[Sample]) -> Scores:
        return self.rewards([asked[sample.prompt].item(sample) for sample in samples])

    def gather(self, step: int) -> Gathered:
        """Sample, score and give credit: all that a step needs before its first update."""
        items = self.plan.items_of(step)
        asked = [self.train[item] for item in items]
        samples = self.answers(asked, items, step, self.group_size)
        self.sampled = sum(len(asked[s.prompt].tree.prompt) + len(s.tokens) for s in samples)
        scores = self.score(asked, samples)
        self._show(step, asked, samples, scores)
        rollouts = Rollouts(items, [prompt.tree.prompt for prompt in asked], samples, scores.totals)
        weight = self.controller.weight
        experience, logs = self.teacher.experience(rollouts, weight)
        online = self.recipe.online
        cuts = cut(
            list(experience.trees), online.epochs, online.mini_batches, seed=self.recipe.seed, step=step
        )
        return Gathered(
            PolicyObjective(self.scorer, self.chosen, experience),
            [lambda part=part: self.teacher.passes(experience, part) for part in cuts],
            {**rollouts.logs(), **scores.metrics(), **logs, "kl_weight": weight},
        )

    def _show(self, step: int, asked: Sequence[Prompt], samples: Sequence[Sample], scores: Scores) -> None:
        """Keep the first group of a step where people can read it."""
        for sample, total in list(zip(samples, scores.totals, strict=True))[: self.group_size]:
            place = asked[sample.prompt].record.place
            row = {"place": place, "k": sample.k, "response": sample.text, "finish": str(sample.finish)}
            self.log_sample(step, row | {"reward": total})

    def train_steps(self, optimizer: torch.optim.Optimizer, start: int, hooks: Sequence[Hook]) -> int:
        config, peak = self.recipe.optim, self.learning_rate
        steer: list[Hook] = [self._steer, *hooks]
        return train(self.plan, self.gather, optimizer, config, peak=peak, start=start, hooks=steer)

    def _steer(self, step: int, logs: Logs) -> None:
        if "kl" in logs:
            self.controller.update(logs["kl"], len(self.plan.items_of(step)) * self.group_size)

    def first_step(self) -> tuple[list[PackedBatch], Objective]:
        """What the first update of step 1 learns from, and how."""
        gathered = self.gather(1)
        return (gathered.updates[0]() if gathered.updates else []), gathered.objective

    def evaluation(self) -> Logs:
        """Mean reward of one response to every held-out prompt."""
        keys = range(len(self.held_out))
        scores = self.score(self.held_out, self.answers(self.held_out, keys, EVALUATION, 1))
        totals = [total for total in scores.totals if total is not None]
        return {"reward": sum(totals) / len(totals), **scores.metrics()}

    def better(self, logs: Logs) -> float:
        """What of an evaluation should be small."""
        return -logs["reward"]

    def tokens_of(self, step: int) -> int:
        return self.sampled

    @contextmanager
    def rows_named(self) -> Iterator[None]:
        """Inside, a step that diverges names its rows by `file:line` instead of by item."""
        try:
            yield
        except DivergedItems as error:
            raise error.at([prompt.record.place for prompt in self.train]) from error

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds beside weights and moments."""
        return self.controller.state()

    def restore(self, state: dict[str, Any]) -> None:
        self.controller.restore(state)

    def inputs(self) -> dict[str, Any]:
        """What a resumed run must find unchanged beside its recipe."""
        return {
            "inputs": {source.path: source.sha256 for source in self.sources},
            "resolved": {**self.chosen.described, "learning_rate": self.learning_rate},
        }


def open_online(recipe: Recipe, say: Say = lambda line: None, *, aside: Path | None = None) -> OnlineSession:
    """Load prompts, weights and rewards. Nothing is sampled yet."""
    _require_online(recipe)
    chosen = choose_online(
        recipe.method, recipe.loss.name, recipe.loss.hyper, max_length=recipe.sampling.max_new_tokens
    )
    source = resolve(recipe.policy).path
    tokenizer = load_tokenizer(source)
    renderer = make_renderer(tokenizer, recipe.data.template, recipe.data.trust_control_tokens)
    prompts = read_prompts(recipe.data.train, recipe, renderer, say, aside)
    asked = read_prompts(recipe.data.eval, recipe, renderer, say) if recipe.data.eval else None
    pool, held_out = _split(prompts, asked, recipe)
    rewards = build_mix(recipe.rewards, policy=renderer, say=say, skip_failed=recipe.online.skip_failed)
    device = pick_device(recipe.device)
    precision = pick_precision(recipe.dtype, device, adapter=recipe.lora is not None)
    scorer, reason = trained_policy(recipe, source, precision, device, dropout=False)
    if scorer.layout == "padded":
        say(f"rows are padded, not packed: {reason}")
    updates = recipe.online.epochs * recipe.online.mini_batches
    reference = _reference(recipe, scorer, source, precision) if chosen.needs_reference else None
    sources = [*prompts.rows.loaded.sources, *(asked.rows.loaded.sources if asked else [])]
    return OnlineSession(
        recipe=recipe,
        chosen=chosen,
        tokenizer=tokenizer,
        rows=prompts.rows,
        train=pool,
        held_out=held_out,
        sources=sources,
        precision=precision,
        layout_reason=reason,
        sampler=LocalSampler(scorer.model, tokenizer, stop_ids=renderer.stop_ids),  # pyright: ignore[reportArgumentType]
        rewards=rewards,
        teacher=Teacher(scorer, chosen, reference, recipe.tokens_per_pass, updates),
        controller=KlController(chosen.kl_weight, chosen.kl_target, chosen.kl_horizon),
    )


def _require_online(recipe: Recipe) -> None:
    unread = [key for key in ("retain", "unpair") if getattr(recipe.data, key)]
    if recipe.data.tokens != "all":
        unread.append("tokens")
    if unread:
        raise ConfigError(f"data.{unread[0]} is not read by {recipe.method}", hint="leave it out")


def _split(prompts: Prompts, asked: Prompts | None, recipe: Recipe) -> tuple[list[Prompt], list[Prompt]]:
    if asked is not None:
        return prompts.prompts, asked.prompts
    trees = [prompt.tree for prompt in prompts.prompts]
    places = [prompt.record.place for prompt in prompts.prompts]
    by_tree = {id(prompt.tree): prompt for prompt in prompts.prompts}
    kept, out = split_off(trees, places, recipe.data.eval_fraction, recipe.seed)
    return [by_tree[id(tree)] for tree in kept], [by_tree[id(tree)] for tree in out]


def _reference(recipe: Recipe, scorer: Scorer, source: Path, precision: Precision) -> Reference:
    """The adapter switched off where the policy's own start serves, else a second model."""
    if recipe.lora is not None and not recipe.reference:
        return AdapterOff(scorer)
    folder = resolve(recipe.reference).path if recipe.reference else source
    model = load_model(folder, precision.base, scorer.device)
    return Live(Scorer(model, layout=scorer.layout, autocast=scorer.autocast))
