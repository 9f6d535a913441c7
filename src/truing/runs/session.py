"""From a recipe to a run: rows to trees, a policy, an objective, an optimiser, and the loop over them.

    recipe -> Rows (records, trees, counts) -> Session (scorer, objective, optimiser, plan) -> run folder

`truing check` stops before the first update, `truing train` goes on; both see the same session.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch

from truing.config.recipe import Recipe
from truing.core.messages import Say, message
from truing.core.records import Record
from truing.data.chat import Renderer
from truing.data.kept import Rows
from truing.data.limits import Truncation, fit
from truing.data.load import SourceReport
from truing.data.packing import PackedBatch, Role
from truing.data.trees import Branch, Tree
from truing.losses.unpaired import kto, kto_advice
from truing.methods.offline import Chosen, choose
from truing.models.frozen import entry_states, may_keep, reference_states
from truing.models.load import pick_device, require_positions, trainable
from truing.models.passes import passes_of, tokens_per_pass
from truing.models.precision import Precision
from truing.models.reference import AdapterOff
from truing.models.reward import RewardScorer
from truing.models.room import Overfull
from truing.models.scoring import Policy, Scorer
from truing.models.sources import resolve
from truing.objectives.binding import number_of
from truing.objectives.offline import RetainObjective
from truing.runs.idle import require_used
from truing.runs.inputs import inputs_of
from truing.runs.policies import precision_of, references, renderer_of, tell_of, trained_of
from truing.runs.rows import part, read_retained, read_rows, require_classes
from truing.training.health import require_known
from truing.training.hooks import Hook, Logs
from truing.training.offline import evaluate, train
from truing.training.optim import TrainedPart
from truing.training.plan import Plan
from truing.training.step import DivergedItems, Objective, smaller


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
    held_out_records: list[Record]  # what they were made of
    retained: list[Tree]  # numbered on from `train`
    places: list[str]  # `file:line` of every item, the retained ones last
    sources: list[SourceReport]  # the files that are learnt from, evaluated on or retained
    scorer: Scorer | RewardScorer
    precision: Precision
    layout_reason: str
    source: Path  # the folder of the policy's weights
    objective: Objective = field(init=False)
    eval_objective: Objective = field(init=False)
    say: Say = field(default=lambda line: None)
    rate: float | None = field(default=None, init=False)  # that of `set_rate`
    frozen_kept: bool = field(default=False, init=False)  # whether `keep_frozen` has done its work

    @property
    def scores(self) -> bool:
        """Whether a reward model is trained, not a policy."""
        return self.chosen.method.scores

    @property
    def plan(self) -> Plan:
        optim = self.recipe.optim
        return Plan(
            len(self.train),
            optim.items_per_step,
            optim.epochs,
            self.recipe.seed,
            optim.max_steps,
            len(self.retained),
        )

    @property
    def model(self) -> Policy:
        return cast(Policy, self.scorer.model)

    @property
    def own_rate(self) -> float:
        """The learning rate of the recipe, or else of the method."""
        method = self.chosen.method
        default = method.adapter_rate if self.recipe.lora else method.full_rate
        return self.recipe.optim.learning_rate or default

    @property
    def learning_rate(self) -> float:
        """As high as the schedule goes: `own_rate` until `set_rate` says otherwise."""
        return self.own_rate if self.rate is None else self.rate

    def set_rate(self, rate: float) -> None:
        self.rate = rate

    @property
    def parts(self) -> list[TrainedPart]:
        """What trains."""
        return [TrainedPart("", trainable(self.model), self.learning_rate)]

    @property
    def tokens_per_pass(self) -> int:
        return tokens_per_pass(self.recipe, self.scorer, coupled=self.chosen.coupled)

    def passes(self, items: Sequence[int], *, held_out: bool = False) -> list[PackedBatch]:
        """The passes that hold these items, and those the method needs beside them, each in its role."""
        pool = self.held_out if held_out else self.train
        learnt = {i: pool[i] for i in items if i < len(pool)}
        room = self.recipe.data.max_tokens
        others = mismatched(learnt, room) if self.chosen.needs_mismatched else {}
        together = crossed(learnt, others)
        # In one pass of all, no prompt is read twice, and no response before the baseline is known.
        most = tokens_per_pass(self.recipe, self.scorer, coupled=True)
        if others and self.scorer.layout == "trees" and sum(map(len, together.values())) <= most:
            return passes_of(together, self.scorer, most, "crossed") + self._beside(items, learnt)
        cut = self.tokens_per_pass
        own = passes_of(learnt, self.scorer, cut) + self._beside(items, learnt)
        return own + passes_of(others, self.scorer, cut, "mismatched")

    def _beside(self, items: Sequence[int], learnt: dict[int, Tree]) -> list[PackedBatch]:
        """The passes for likelihood of whole texts and for retained rows."""
        roles: dict[Role, dict[int, Tree]] = {
            "whole": whole(learnt) if self.chosen.needs_whole else {},
            "retain": {i: self.tree(i) for i in items if i not in learnt},
        }
        cut = self.tokens_per_pass
        return [b for role, trees in roles.items() for b in passes_of(trees, self.scorer, cut, role)]

    def tree(self, item: int) -> Tree:
        """An item of a step: a training tree, or a retained one."""
        return self.train[item] if item < len(self.train) else self.retained[item - len(self.train)]

    def train_steps(self, optimizer: torch.optim.Optimizer, start: int, hooks: Sequence[Hook]) -> int:
        """Learn from step `start + 1` to the end of the plan; returns the last step taken."""
        self.keep_frozen()
        how = {"peak": self.learning_rate, "start": start, "hooks": hooks}
        room = self.scorer.room
        return train(self.plan, self.passes, self.objective, optimizer, self.recipe.optim, room=room, **how)

    def require_learnt(self) -> None:
        """A run on rows has learnt from them."""

    def keep_frozen(self) -> None:
        """Compute once what no step changes, where a row is read more than once; see `models/frozen.py`.

        What is kept depends on the plan alone, not on where a run resumes.
        """
        scorer, cut = self.scorer, self.tokens_per_pass
        twice = self.recipe.optim.epochs > 1 or bool(self.retained) or self.chosen.needs_reference
        if self.frozen_kept or not twice or not isinstance(scorer, Scorer):
            return
        if not may_keep(scorer, [*self.train, *self.retained]):
            return
        self.frozen_kept = True
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
        """What step 1 learns from, and how."""
        return self.passes(self.plan.items_of(1)), self.objective

    def evaluation(self) -> Logs:
        cut = partial(self.passes, range(len(self.held_out)), held_out=True)
        try:
            return evaluate(cut(), self.eval_objective, smaller(self.scorer.room, cut))
        except DivergedItems as error:
            raise error.at([record.place for record in self.held_out_records]) from error

    def better(self, logs: Logs) -> float:
        """What of an evaluation should be small."""
        return logs["loss"]

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds beside tensors: all but the room follows from the step."""
        return self.scorer.room.state()

    def restore(self, state: dict[str, Any]) -> None:
        self.scorer.room.restore(state)

    def inputs(self) -> dict[str, Any]:
        """Return what a resumed run must find unchanged beside its recipe; every file is read."""
        resolved = {
            "loss": self.chosen.name,
            "hyper": self.chosen.hyper | self.chosen.options,
            "learning_rate": self.learning_rate,
            "dtype": self.precision.name,
            "device": self.scorer.device.type,
            **({"loss_files": dict(self.chosen.files)} if self.chosen.files else {}),
        }
        return inputs_of(self.recipe, self.sources, resolved)

    @contextmanager
    def rows_named(self) -> Iterator[None]:
        """Inside, a step that diverges names its rows by `file:line` instead of by item."""
        try:
            yield
        except (DivergedItems, Overfull) as error:
            raise error.at(self.places) from error

    def tokens_of(self, step: int) -> int:
        """Tokens behind a step, every prompt counted once per response, without padding."""
        trees = (self.tree(i) for i in self.plan.items_of(step))
        return sum(len(tree.prompt) + len(branch) for tree in trees for branch in tree.branches)


def whole(trees: dict[int, Tree]) -> dict[int, Tree]:
    """Every prompt with its first response as one text, of which all tokens but the first carry loss."""
    texts = {i: [*tree.prompt, *tree.branches[0].tokens] for i, tree in trees.items()}
    return {i: Tree(text[:1], (Branch(text[1:], [True] * len(text[1:])),)) for i, text in texts.items()}


def mismatched(trees: dict[int, Tree], max_tokens: int) -> dict[int, Tree]:
    """Every prompt with the response to the one before it in the files; none for a single tree.

    Which prompts share a step changes with every epoch, and the pairs with it. Neither need have room for
    the other: a response ends at `max_tokens`, and a prompt that leaves it no scored token is left out.
    """
    order = sorted(trees)
    if len(order) < 2:
        return {}
    before = [order[-1], *order[:-1]]
    swapped = {i: replace(trees[i], branches=trees[j].branches) for i, j in zip(order, before, strict=True)}
    cut = {i: fit(tree, max_tokens, Truncation.RESPONSE_RIGHT).tree for i, tree in swapped.items()}
    return {i: tree for i, tree in cut.items() if tree}


def crossed(trees: dict[int, Tree], others: dict[int, Tree]) -> dict[int, Tree]:
    """Every tree of one response, which stays the first, with the one that `others` have after its prompt."""

    def both(own: Tree, other: Tree | None) -> Tree:
        if other is None:
            return own
        return Tree(own.prompt, own.branches + other.branches, (*own.labels, 0.0))

    return {i: both(tree, others.get(i)) for i, tree in trees.items()}


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
    trained = trained_of(recipe, source, tokenizer, precision, device, chosen)
    require_positions(
        trained.scorer.inner, tokenizer, max(tree.longest for tree in [*pool, *held_out, *retained])
    )
    tell_of(trained.scorer, trained.layout_reason, say)
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
        places=parted.places + (kept.places if kept else []),
        sources=_sources(rows, evaluated, kept),
        scorer=trained.scorer,
        precision=precision,
        layout_reason=trained.layout_reason,
        source=source,
        say=say,
    )
    bind(session, say, first_step=first_step)
    return session


def _sources(*given: Rows | None) -> list[SourceReport]:
    """Every file that was read, once."""
    found = [source for rows in given if rows for source in rows.loaded.sources]
    return list({source.path: source for source in found}.values())


def advice_on(session: Session) -> str | None:
    """What KTO's paper would change of the weights of the two classes, None where all is well."""
    if session.chosen.loss is not kto:
        return None
    hyper = session.chosen.hyper
    weights = [number_of(hyper, f"{side}_weight") for side in ("desirable", "undesirable")]
    good = sum(tree.labels[0] > 0.5 for tree in session.train)
    return kto_advice(good, len(session.train) - good, *weights)


def bind(session: Session, say: Say, *, first_step: bool = False) -> None:
    """Give a session its objectives; `first_step` is that of `open_session`."""
    scorer, chosen, recipe = session.scorer, session.chosen, session.recipe
    if isinstance(scorer, RewardScorer):
        session.objective = session.eval_objective = chosen.objective(scorer, None)
        return
    trees = [session.train, session.held_out]
    items = session.plan.items_of(1) if first_step else None
    own, held_out = references(
        recipe, chosen, scorer, session.source, session.precision, trees, say, items=items
    )
    if advice := advice_on(session):
        say(advice)
    session.objective = chosen.objective(scorer, own)
    session.eval_objective = chosen.objective(scorer, held_out)
    if session.retained:
        start = AdapterOff(scorer).states
        session.objective = RetainObjective(session.objective, scorer, start, recipe.data.retain_weight)
