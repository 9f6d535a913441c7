"""An online run in memory: prompts, a policy, a sampler, rewards, and the updates of each step.

step -> Asked (prompts, samples, scores) -> Teacher: Experience -> updates of training/online.py
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any

import torch

from truing.config.online import OF_SERVERS
from truing.core.errors import RewardError
from truing.core.messages import message
from truing.core.streams import EVALUATION
from truing.data.packing import PackedBatch, Role
from truing.models.load import trainable
from truing.models.passes import share_of
from truing.models.scoring import Scorer, Trunk
from truing.models.sharding import WholeCopy
from truing.models.world import world
from truing.objectives.choices import ChosenOnline
from truing.objectives.policy_gradient import (
    ByRole,
    Experience,
    PolicyObjective,
    TextObjective,
    ValueObjective,
)
from truing.rewards.mix import Mix
from truing.rewards.types import Failed, ScoredItem
from truing.rollouts.ahead import Ahead
from truing.rollouts.asking import Asked, ask_until_telling, joined
from truing.rollouts.experience import Teacher, cut
from truing.rollouts.prompts import Prompt
from truing.rollouts.staleness import renew
from truing.rollouts.text import Text
from truing.runs.critics import OpenedCritic
from truing.runs.opened import OpenedRun, plan_of
from truing.runs.rubrics import rates_of
from truing.sampling.local import LocalSampler
from truing.sampling.types import NoLogitsError, Sample, Sampler, Sampling
from truing.training.health import require_known
from truing.training.hooks import Logs
from truing.training.kl_weight import KlController
from truing.training.online import Gathered, learn
from truing.training.optim import TrainedPart
from truing.training.plan import Plan
from truing.training.signs import signs
from truing.training.step import DivergedItems, Objective

ALIKE = 5  # steps
REASONS = 16  # of failures of one reward in one step, each once
LARGEST = 1e15  # of a score: sums of squares of it stay far below the largest number of 32 bits


@dataclass(kw_only=True)
class OnlineSession(OpenedRun[ChosenOnline, Scorer]):
    """The state of an online run in memory; `places` has the rows of `text` last."""

    train: list[Prompt]
    held_out: list[Prompt]
    sampler: Sampler
    rewards: Mix
    teacher: Teacher
    critic: OpenedCritic | None
    whole: WholeCopy | None  # of a policy in shards, for what reads all weights
    text: Text | None
    controller: KlController
    ahead: Ahead | None = None
    log_sample: Callable[[int, dict[str, Any]], None] = lambda step, row: None
    log_failure: Callable[[int, dict[str, Any]], None] = lambda step, row: None
    log_rubric: Callable[[int, dict[str, Any]], None] = lambda step, row: None
    failing: set[str] = field(default_factory=set, init=False)  # parts of the reward that have failed
    sampled: int = field(default=0, init=False)  # tokens of the newest step
    step: int = field(default=0, init=False)  # the newest step that was sampled for
    alike: int = field(default=0, init=False)  # steps in a row whose rewards told nothing apart
    warned: bool = field(default=False, init=False)  # of the first of them
    rewarded: bool = field(default=False, init=False)  # whether any response of the run had a reward
    failed: Gathered | None = field(default=None, init=False)  # of the newest step, if its numbers failed

    def __post_init__(self) -> None:
        require_known(self.recipe.health)

    @property
    def scores(self) -> bool:
        """Tell whether a reward model is trained instead of a policy."""
        return False

    @property
    def plan(self) -> Plan:
        return plan_of(self.recipe, len(self.train))

    @property
    def trunks(self) -> list[Trunk]:
        """Return all models that train."""
        return [self.scorer] if self.critic is None else [self.scorer, self.critic.critic]

    @property
    def parts(self) -> list[TrainedPart]:
        """Return the trained parts: the policy, and the critic where there is one."""
        critics = {} if self.critic is None else self.critic.parameters
        policy = {name: one for name, one in trainable(self.model).items() if name not in critics}
        found = [TrainedPart("", policy, self.learning_rate)]
        if critics:
            found.append(
                TrainedPart("critic", critics, self.recipe.critic.learning_rate or self.learning_rate)
            )
        return found

    @property
    def group_size(self) -> int:
        return self.recipe.online.group_size or self.chosen.method.group_size

    def draw(self, pool: Sequence[Prompt], items: Sequence[int], step: int, group_size: int) -> list[Sample]:
        """Sample responses with the weights that the sampler has, keyed by step and item.

        Ranks share the prompts out; rank 0 alone asks servers.
        """
        if self.recipe.sampling.served:
            return world().from_main(lambda: self._draw_here(pool, items, step, group_size))
        own = list(share_of({place: pool[item].tree for place, item in enumerate(items)}, "trees"))
        drawn = self._draw_here(pool, [items[place] for place in own], step, group_size) if own else []
        if world().alone:
            return drawn
        of_ranks = world().gather([replace(sample, prompt=own[sample.prompt]) for sample in drawn])
        return sorted(chain(*of_ranks), key=lambda sample: sample.prompt)

    def _draw_here(
        self, pool: Sequence[Prompt], items: Sequence[int], step: int, group_size: int
    ) -> list[Sample]:
        how = self.recipe.sampling.model_dump(exclude=set(OF_SERVERS))
        ids = [pool[item].tree.prompt for item in items]
        sampling = Sampling(**how, seed=self.recipe.seed)
        try:
            return self.sampler.sample(ids, sampling, group_size=group_size, step=step, keys=items)
        except NoLogitsError as error:
            item = items[error.prompt]
            what = message("the logits of a response are not finite after {n} tokens", n=error.written)
            raise DivergedItems(what, [item], first=error.first, rows=[pool[item].record.place]) from error

    def judged(self, pool: Sequence[Prompt], items: Sequence[int], samples: Sequence[Sample]) -> Asked:
        """Score responses, on rank 0. Raises DivergedItems for a score too large to reckon with."""
        asked = [pool[item] for item in items]
        scores = world().from_main(lambda: self.rewards([asked[s.prompt].item(s) for s in samples]))
        found = Asked(items, asked, samples, scores)
        _require_moderate(found)
        return found

    def ask(self, pool: Sequence[Prompt], items: Sequence[int], step: int, group_size: int) -> Asked:
        """Sample responses and score them."""
        return self.judged(pool, items, self.draw(pool, items, step, group_size))

    def gather(self, step: int) -> Gathered:
        """Sample, score and give credit: the work of a step before its first update."""
        online, items = self.recipe.online, self.plan.items_of(step)
        waiting = world().from_main(lambda: self.ahead.take(step) if self.ahead else None)
        self.refresh(step - 1)
        self.step = step
        drawn = self.draw(self.train, items, step, self.group_size) if waiting is None else waiting
        renewed = renew(
            drawn,
            step,
            online.oldest,
            lambda some: self.draw(self.train, [items[at] for at in some], step, self.group_size),
        )
        rounds = ask_until_telling(
            self.judged(self.train, items, renewed.samples),
            lambda some: self.ask(self.train, some, step, self.group_size),
            len(self.train),
            online.resample,
            seed=self.recipe.seed,
            step=step,
        )
        self._let_go()
        self._draw_ahead(step + 1)
        self._warn_of_sameness(step, rounds)
        for asked in rounds:
            self._keep_outcomes(step, asked, "training")
        self.sampled = sum(one.tokens for one in rounds)
        self._show(step, rounds[0])
        rollouts = joined(rounds, len(items)) if online.resample else rounds[0].rollouts
        weight = self.controller.weight
        experience, logs = self.teacher.experience(rollouts, weight)
        cuts = cut(
            list(experience.trees),
            online.epochs or self.chosen.method.epochs,
            online.mini_batches,
            seed=self.recipe.seed,
            step=step,
        )
        return Gathered(
            self._objective(experience, weight),
            [partial(self._passes, experience, part, step, update) for update, part in enumerate(cuts)],
            {**rounds[0].rollouts.logs(), **_told(rounds[0]), **logs, "kl_weight": weight}
            | (renewed.logs if self.ahead or self.recipe.sampling.served else {}),
            online.target_kl or math.inf,
            None if self.scorer.sharded else self.scorer.room,
        )

    def _warn_of_sameness(self, step: int, rounds: Sequence[Asked]) -> None:
        """Warn at the first step whose rewards are all alike, and once more after `ALIKE` in a row."""
        if self._has_none(step, rounds):
            return
        by_group = self.chosen.credit.takes("group")
        told = any(one.telling() if by_group else one.differ for one in rounds)
        self.alike = 0 if told else self.alike + 1
        among = "responses to a prompt" if by_group else "responses"
        if self.alike == ALIKE:
            said = (
                "for {steps} steps all {among} have had the same reward, and nothing is learnt: look at"
                " samples.jsonl; the task may be too hard or too easy, or the reward blind to it"
            )
            self.say(message(said, steps=ALIKE, among=message(among)))
        elif self.alike and not self.warned:
            self.warned = True
            said = "step {step}: all {among} have the same reward, and nothing is learnt from them"
            self.say(message(said, step=step, among=message(among)))

    def _has_none(self, step: int, rounds: Sequence[Asked]) -> bool:
        """Tell whether no response of a step has a reward, and say so."""
        if any(total is not None for one in rounds for total in one.scores.totals):
            self.rewarded = True
            return False
        reasons = "; ".join(rounds[0].scores.reasons().values())
        said = "step {step}: no response has a reward, and nothing is learnt: {reasons}"
        self.say(message(said, step=step, reasons=reasons))
        return True

    def _keep_outcomes(self, step: int, asked: Asked, when: str) -> None:
        """Write down how often each item of rubrics was met, and each reward that failed, with its reason.

        The first reason of each part is said.
        """
        for row in rates_of(asked.scores, when):
            self.log_rubric(step, row)
        for title, outcomes in asked.scores.parts.items():
            reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, Failed)]
            if not reasons:
                continue
            row = {"when": when, "reward": title, "failed": len(reasons), "of": len(outcomes)}
            self.log_failure(step, row | {"reasons": list(dict.fromkeys(reasons))[:REASONS]})
            if title not in self.failing:
                self.failing.add(title)
                said = f"{len(reasons)} of {len(outcomes)} responses have no reward of {title}: {reasons[0]}"
                self.say(f"{said}; the reasons are kept in failures.jsonl")

    def _draw_ahead(self, step: int) -> None:
        """Have the servers begin to draw for `step` with the weights they have now."""
        if self.ahead is not None and step <= self.plan.total and world().main:
            items = self.plan.items_of(step)
            self.ahead.begin(step, lambda: self._draw_here(self.train, items, step, self.group_size))

    def refresh(self, step: int) -> None:
        """Have the sampler draw from the weights as they are after `step`; rank 0 alone speaks to servers."""
        served, model = self.recipe.sampling.served, self.model
        here = world().main or not served
        if self.whole is not None:
            place = torch.device("cpu") if served else self.scorer.device
            adapters_alone = served and self.recipe.lora is not None
            self.whole.fill(place, here=here, adapters_alone=adapters_alone)
            model = self.whole.model
        if here:
            self.sampler.refresh(model, step)
        if served:
            self._let_go()  # the servers have them

    def _let_go(self) -> None:
        """Let go of the whole weights of a policy in shards; the next step needs others."""
        if self.whole is not None:
            self.whole.empty()

    def _objective(self, experience: Experience, kl_weight: float) -> Objective:
        policy = PolicyObjective(self.scorer, self.chosen, experience, kl_weight)
        parts: dict[Role, Objective] = {"learn": policy}
        if self.critic is not None and self.chosen.value_loss is not None:
            weight = self.chosen.settings.value_weight
            parts["value"] = ValueObjective(self.critic.critic, self.chosen.value_loss, weight, experience)
        if self.text is not None:
            parts["ptx"] = TextObjective(self.scorer, self.recipe.data.ptx_weight)
        return ByRole(parts) if len(parts) > 1 else policy

    def _passes(
        self, experience: Experience, items: Sequence[int], step: int, update: int
    ) -> list[PackedBatch]:
        """Make the passes of one update of a step."""
        passes = self.teacher.passes(experience, items)
        return passes if self.text is None else passes + self.text.passes(step, update, len(items))

    def _show(self, step: int, asked: Asked) -> None:
        """Write the first group of a step to a file for people to read."""
        for sample, total in list(zip(asked.samples, asked.scores.totals, strict=True))[: self.group_size]:
            record = asked.prompts[sample.prompt].record
            row = {"place": record.place, "prompt": "\n\n".join(turn.content for turn in record.prompt)}
            row |= {"k": sample.k, "response": sample.text, "finish": str(sample.finish)}
            self.log_sample(step, row | {"reward": total})

    def learn(self, optimizer: torch.optim.Optimizer, step: int) -> Logs:
        """Sample for one step and do its updates; return its metrics."""
        self.failed = None
        gathered = self.gather(step)
        try:
            logs = learn(gathered, optimizer, self.recipe.optim)
        except DivergedItems as error:
            self.failed, error.logs = gathered, {**gathered.logs, **error.logs}
            raise
        if "kl" in logs:
            self.controller.update(logs["kl"], len(self.plan.items_of(step)) * self.group_size)
        return logs

    def keep_frozen(self) -> None:
        """Do nothing: the texts of the next step are not known yet."""

    def require_learnt(self) -> None:
        """Raise RewardError where no response of the run had a reward."""
        if not self.rewarded:
            raise RewardError(
                f"no response had a reward in {self.step} steps: nothing was learnt",
                hint="mend the reward; online.skip_failed lets responses without one pass, up to all of them",
            )

    def first_step(self) -> tuple[list[PackedBatch], Objective]:
        """Return the passes and the objective of the first update of step 1."""
        gathered = self.gather(1)
        return (gathered.updates[0]() if gathered.updates else []), gathered.objective

    def evaluation(self) -> Logs:
        """Return the mean reward of one response to every held-out prompt."""
        if self.ahead is None:  # else the servers are at work for the next step, one update behind
            self.refresh(self.step)
        asked = self.ask(self.held_out, range(len(self.held_out)), EVALUATION, 1)
        self._let_go()
        self._keep_outcomes(self.step, asked, "evaluation")
        totals = [total for total in asked.scores.totals if total is not None]
        mean = {"reward": sum(totals) / len(totals)} if totals else {}
        return {**mean, **_told(asked)}

    def better(self, logs: Logs) -> float:
        """Return the number of an evaluation that should be small: infinity without any reward."""
        return -logs.get("reward", -math.inf)

    def tokens_of(self, step: int) -> int:
        return self.sampled

    def assemble(self) -> None:
        """Put whole weights on the CPU of rank 0 in place of those in shards; the training is over."""
        if self.whole is None:
            return
        self.whole.fill(torch.device("cpu"), here=world().main)
        if world().main:
            self.scorer = Scorer(self.whole.model, layout=self.scorer.layout, autocast=self.scorer.autocast)

    def state(self) -> dict[str, Any]:
        """Return the state that a checkpoint holds beside weights and moments."""
        ahead = self.ahead.state() if self.ahead else {}
        known = {"step": self.step, "sampled": self.sampled, "rewarded": self.rewarded}
        return {"controller": self.controller.state(), "ahead": ahead, **known, **self._sizes()}

    def _sizes(self) -> dict[str, Any]:
        """Return the sizes that memory was found to hold, of passes and of responses in flight."""
        drawn = self.sampler.state() if isinstance(self.sampler, LocalSampler) else {}
        return self.scorer.room.state() | drawn

    def restore(self, state: dict[str, Any]) -> None:
        if isinstance(self.sampler, LocalSampler):
            self.sampler.restore(state)
        self.controller.restore(state["controller"])
        self.step, self.sampled = state.get("step", 0), state.get("sampled", 0)
        self.rewarded = state.get("rewarded", True)  # runs begun before did not say
        self.scorer.room.restore(state)
        if self.ahead is not None:
            self.ahead.restore(state["ahead"])


def _require_moderate(asked: Asked) -> None:
    """Raise DivergedItems with the row and the part of the reward whose score is too large."""
    for title, outcomes in asked.scores.parts.items():
        for sample, outcome in zip(asked.samples, outcomes, strict=True):
            if isinstance(outcome, ScoredItem) and abs(outcome.value) > LARGEST:
                said = "a reward is {value:.3g}, and its square is no number in 32 bits"
                item, row = asked.items[sample.prompt], asked.prompts[sample.prompt].record.place
                first = message("the reward {name}", name=title)
                error = DivergedItems(message(said, value=outcome.value), [item], first=first, rows=[row])
                why, hint = message("the reward is the cause"), message("mend the reward, or bound it")
                raise error.because("reward", why, hint)


def _told(asked: Asked) -> Logs:
    """Return the metrics of a step's responses: scores of the reward's parts, and signs in the responses."""
    found = signs([sample.tokens for sample in asked.samples], asked.scores.totals)
    return asked.scores.metrics() | found
