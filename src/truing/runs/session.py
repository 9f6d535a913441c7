"""From a recipe of an offline method to its session: rows to trees, a policy, an objective, a plan.

    recipe -> Rows (records, trees, counts) -> Session (scorer, objective, optimiser, plan) -> run folder

`truing check` stops before the first update, `truing train` goes on; both see the same session.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from truing.config.recipe import Recipe
from truing.core.messages import Say, message
from truing.core.records import Record
from truing.data.chat import Renderer
from truing.data.packing import PackedBatch
from truing.data.stored import end_to_end, longest_of
from truing.data.trees import Tree
from truing.methods.offline import Chosen, choose
from truing.models.checkpoint import restore_parameters
from truing.models.frozen import entry_states, may_keep, reference_states
from truing.models.load import pick_device, require_positions, trainable
from truing.models.passes import tokens_per_pass
from truing.models.reference import AdapterOff, NoReferenceError
from truing.models.reward import RewardScorer
from truing.models.scoring import Scorer
from truing.models.sharding import shard, whole_weights
from truing.models.sources import resolve
from truing.models.world import world
from truing.objectives.offline import RetainObjective
from truing.runs.advice import advice_on
from truing.runs.idle import require_used
from truing.runs.opened import OpenedRun, plan_of, sources_of
from truing.runs.passes import step_passes
from truing.runs.policies import precision_of, references, renderer_of, tell_of, trained_of
from truing.runs.rehearsal import rehearse
from truing.runs.rows import part, read_retained, read_rows, require_classes
from truing.training.health import require_known
from truing.training.hooks import Logs
from truing.training.offline import evaluate, learn
from truing.training.optim import TrainedPart
from truing.training.plan import Plan
from truing.training.step import DivergedItems, Objective, smaller


@dataclass(kw_only=True)
class Session(OpenedRun[Chosen, Scorer | RewardScorer]):
    """The state of a run on rows, in memory or on disk; `places` has the retained rows last."""

    renderer: Renderer
    train: Sequence[Tree]
    held_out: Sequence[Tree]
    held_out_records: Sequence[Record]  # the records of the trees of `held_out`
    retained: Sequence[Tree]  # numbered on from `train`
    source: Path  # the folder of the policy's weights
    objective: Objective = field(init=False)
    eval_objective: Objective = field(init=False)
    frozen_kept: bool = field(default=False, init=False)  # whether `keep_frozen` has done its work

    @property
    def scores(self) -> bool:
        """Tell whether a reward model is trained instead of a policy."""
        return self.chosen.method.scores

    @property
    def plan(self) -> Plan:
        return plan_of(self.recipe, len(self.train), len(self.retained))

    @property
    def parts(self) -> list[TrainedPart]:
        """Return the trained part: the policy or the reward model."""
        return [TrainedPart("", trainable(self.model), self.learning_rate)]

    @property
    def tokens_per_pass(self) -> int:
        return tokens_per_pass(self.recipe, self.scorer, coupled=self.chosen.coupled)

    def passes(self, items: Sequence[int], *, held_out: bool = False) -> list[PackedBatch]:
        """Make the passes that hold these items, and the method's other passes, each in its role."""
        pool = self.held_out if held_out else self.train
        learnt = {i: pool[i] for i in items if i < len(pool)}
        retained = {i: self.tree(i) for i in items if i not in learnt}
        return step_passes(learnt, retained, self.recipe, self.chosen, self.scorer)

    def tree(self, item: int) -> Tree:
        """Return the tree of an item: a training tree, or a retained one."""
        return self.train[item] if item < len(self.train) else self.retained[item - len(self.train)]

    def learn(self, optimizer: torch.optim.Optimizer, step: int) -> Logs:
        """Do the update of one step; return its metrics."""
        self.keep_frozen()
        config, room = self.recipe.optim, None if self.scorer.sharded else self.scorer.room
        return learn(self.plan.items_of(step), self.passes, self.objective, optimizer, config, room)

    def require_learnt(self) -> None:
        """Do nothing: a run on rows always has rows to learn from."""

    def keep_frozen(self) -> None:
        """Compute once the states that no step changes, where rows are read again; see `models/frozen.py`.

        The kept states depend on the plan alone, not on the step at which a run resumes. Of several ranks
        each would have to hold them all, and none does.
        """
        scorer, cut = self.scorer, self.tokens_per_pass
        twice = self.recipe.optim.epochs > 1 or bool(self.retained) or self.chosen.needs_reference
        if self.frozen_kept or not twice or not isinstance(scorer, Scorer) or not world().alone:
            return
        self.frozen_kept = True
        if not may_keep(scorer, chain(self.train, self.retained)):
            return
        plan = self.plan
        items = sorted({item for step in range(1, plan.total + 1) for item in plan.items_of(step)})
        trees = {item: self.tree(item) for item in items}
        self.say(message("the states of {n} rows below what trains, computed once", n=len(trees)))
        scorer.entry = entry_states(scorer, list(trees.values()), cut)
        if isinstance(self.objective, RetainObjective):
            retained = {item: tree for item, tree in trees.items() if item >= len(self.train)}
            start = AdapterOff(scorer)
            kept = reference_states(scorer, retained, cut, start)
            self.objective = replace(self.objective, states=kept or start.states)

    def first_step(self) -> tuple[list[PackedBatch], Objective]:
        """Return the passes and the objective of step 1."""
        return self.passes(self.plan.items_of(1)), self.objective

    def evaluation(self) -> Logs:
        cut = partial(self.passes, range(len(self.held_out)), held_out=True)
        try:
            room = None if self.scorer.sharded else self.scorer.room
            return evaluate(cut(), self.eval_objective, smaller(room, cut))
        except DivergedItems as error:
            raise error.at([record.place for record in self.held_out_records]) from error

    def better(self, logs: Logs) -> float:
        """Return the number of an evaluation that should be small: the loss."""
        return logs["loss"]

    def assemble(self) -> None:
        """Put whole weights on the CPU of rank 0 in place of those in shards; the training is over."""
        scorer = self.scorer
        if not scorer.sharded:
            return
        weights = whole_weights(scorer)
        if world().main:
            cpu = torch.device("cpu")
            again = trained_of(self.recipe, self.source, self.tokenizer, self.precision, cpu, self.chosen)
            restore_parameters(dict(again.scorer.named_parameters()), weights)
            self.scorer = again.scorer

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint beside tensors: the room; the rest follows from the step."""
        return self.scorer.room.state()

    def restore(self, state: dict[str, Any]) -> None:
        self.scorer.room.restore(state)

    def tokens_of(self, step: int) -> int:
        """Count the tokens of a step, every prompt once per response, without padding."""
        trees = (self.tree(i) for i in self.plan.items_of(step))
        return sum(len(tree.prompt) + len(branch) for tree in trees for branch in tree.branches)


def open_session(
    recipe: Recipe,
    say: Say = lambda line: None,
    *,
    aside: Path | None = None,
    first_step: bool = False,
) -> Session:
    """Load rows and weights, choose the layout, bind the objective. Nothing is trained yet.

    With `first_step` the session serves step 1 alone: the reference scores the rows of that step only.
    """
    require_known(recipe.health)
    chosen = choose(recipe.method, recipe.loss.mix or recipe.loss.name, recipe.loss.hyper)
    require_used(recipe, chosen)
    source = resolve(recipe.policy).path
    renderer = renderer_of(recipe, source)
    tokenizer: Any = renderer.encoder.tokenizer
    rows = read_rows(recipe.data.train, recipe, chosen, renderer, say, aside)
    evaluated = read_rows(recipe.data.eval, recipe, chosen, renderer, say) if recipe.data.eval else None
    parted = part(rows, evaluated, recipe, say)
    pool, held_out = parted.learnt, parted.held_out
    require_classes(pool, recipe, chosen)
    kept = read_retained(recipe, renderer, say)
    retained = kept.trees if kept else []
    device = pick_device(recipe.device)
    precision = precision_of(recipe, device, say)
    shards = recipe.ranks.shard and not world().alone
    place = torch.device("cpu") if shards else device  # no device need hold all of them
    trained = trained_of(recipe, source, tokenizer, precision, place, chosen)
    require_positions(trained.scorer.inner, tokenizer, max(map(longest_of, (pool, held_out, retained))))
    tell_of(trained.scorer, trained.layout_reason, say)
    if shards:
        shard(trained.scorer, device)
    rehearse(trained.scorer, recipe)
    session = Session(
        recipe=recipe,
        chosen=chosen,
        tokenizer=trained.tokenizer,
        renderer=renderer,
        rows=parted.rows,
        train=pool,
        held_out=held_out,
        held_out_records=parted.held_out_records,
        retained=retained,
        places=end_to_end(parted.places, kept.places if kept else []),
        sources=sources_of(rows, evaluated, kept),
        scorer=trained.scorer,
        precision=precision,
        layout_reason=trained.layout_reason,
        source=source,
        say=say,
    )
    bind(session, say, first_step=first_step)
    return session


def bind(session: Session, say: Say, *, first_step: bool = False) -> None:
    """Give a session its objectives; `first_step` is that of `open_session`."""
    scorer, chosen, recipe = session.scorer, session.chosen, session.recipe
    if isinstance(scorer, RewardScorer):
        session.objective = session.eval_objective = chosen.objective(scorer, None)
        return
    trees = [session.train, session.held_out]
    items = session.plan.items_of(1) if first_step else None
    try:
        own, held_out = references(
            recipe, chosen, scorer, session.source, session.precision, trees, say, items=items
        )
    except NoReferenceError as error:
        raise _explained(session, error, items) from error
    if advice := advice_on(chosen, session.train):
        say(advice)
    session.objective = chosen.objective(scorer, own)
    session.eval_objective = chosen.objective(scorer, held_out)
    if session.retained:
        start = AdapterOff(scorer).states
        session.objective = RetainObjective(session.objective, scorer, start, recipe.data.retain_weight)


def _explained(session: Session, error: NoReferenceError, scored: Sequence[int] | None) -> DivergedItems:
    """Return the error of a reference that is not finite with its rows and its cause.

    `scored` are the rows that were scored, where not all were.
    """
    from truing.runs.causes import Tried, cause_of  # nothing of it is needed while all numbers are finite

    items = error.items if scored is None else [scored[item] for item in error.items]
    places = [one.place for one in session.held_out_records] if error.held_out else session.places
    rows = [places[item] for item in items]
    found = cause_of(Tried(0, error.looked, rows))
    what = message("the reference's log-probabilities are not finite")
    known = {"first": error.first, "rows": rows, "cause": found.cause, "why": found.why, "hint": found.hint}
    return DivergedItems(what, items, **known)
