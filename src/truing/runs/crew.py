"""The ranks of a run at work: rank 0 gives an order, and all of them carry it out together.

    crew("learn", 7)   on rank 0: step 7 is learnt on every rank, and its metrics are returned
    crew.follow()      on the others: carry out orders until rank 0 dismisses the crew

Everything else of a run is done by rank 0 alone: its folder, hooks, health rules, trackers and signals. With
one rank an order is a plain call. To add an order: a method of `Crew` and its name in `ORDERS`.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch

from truing.config.recipe import Recipe
from truing.core.errors import DivergedError, ModelError, TruingError
from truing.core.messages import message
from truing.data.kept import Rows
from truing.models import checkpoint
from truing.models.checkpoint import Saved
from truing.models.scoring import Policy, Trunk
from truing.models.sharding import is_part, part_of, settled
from truing.models.world import RankError, Traffic, checksums, require_equal, world
from truing.runs.displacement import Driver, drivers, hold
from truing.runs.session import Session
from truing.training.hooks import Logs, Signals
from truing.training.loop import take_step
from truing.training.optim import TrainedPart, make_optimizer
from truing.training.plan import Plan

if TYPE_CHECKING:
    from truing.evals.reward_summary import RewardSummary
    from truing.runs.found import RankFinding, Search

WATCHED = 2  # steps with a gradient, after which every trained tensor must have had one


class Learner(Protocol):
    """The rows, the model and the objective of a run, and what is done with them."""

    recipe: Recipe
    tokenizer: Any
    rows: Rows

    @property
    def train(self) -> Sequence[Any]: ...

    @property
    def held_out(self) -> Sequence[Any]: ...

    @property
    def scores(self) -> bool: ...

    @property
    def plan(self) -> Plan: ...

    @property
    def model(self) -> Policy: ...

    @property
    def scorer(self) -> Trunk: ...

    @property
    def trunks(self) -> Sequence[Trunk]: ...

    @property
    def parts(self) -> Sequence[TrainedPart]: ...

    @property
    def own_rate(self) -> float: ...

    @property
    def learning_rate(self) -> float: ...

    def set_rate(self, rate: float) -> None: ...

    def keep_frozen(self) -> None: ...

    def learn(self, optimizer: torch.optim.Optimizer, step: int) -> Logs: ...

    def require_learnt(self) -> None: ...

    def evaluation(self) -> Logs: ...

    def better(self, logs: Logs) -> float: ...

    def tokens_of(self, step: int) -> int: ...

    def assemble(self) -> None: ...

    def rows_named(self) -> AbstractContextManager[None]: ...

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...

    def inputs(self) -> dict[str, Any]: ...


def named(session: Learner) -> dict[str, torch.nn.Parameter]:
    """Return all parameters of a session that train, by name."""
    return {name: one for part in session.parts for name, one in part.parameters.items()}


def crew_of(session: Learner) -> "Crew":
    """Make the crew of a session, with a new optimiser."""
    optimizer = make_optimizer(session.parts, session.recipe.optim)
    return Crew(session, optimizer, Signals())


def traffic_of(ranks: Sequence[Traffic]) -> Logs:
    """Return the metrics of what the ranks of a step exchanged, and of how evenly they shared its tokens."""
    first, tokens = ranks[0], [one.learnt for one in ranks]
    found = {"ranks/reduced_bytes": float(first.reduced)}
    if first.gathered:
        found["ranks/gathered_bytes"] = float(first.gathered)
    mean = sum(tokens) / len(tokens)
    return found | ({"ranks/imbalance": max(tokens) / mean - 1} if mean else {})


class _GradientWatch:
    """Looks for tensors of one trained part that never get a gradient, in the first steps that have any."""

    def __init__(self, parameters: dict[str, torch.nn.Parameter]) -> None:
        self.parameters, self.idle, self.steps = parameters, set(parameters), 0

    def look(self) -> None:
        """Look at the gradients of one step. Raises ModelError for a tensor that had none up to the last one.

        A weight that the model does not use at all has no gradient either; only an adapter's counts then.
        """
        if self.steps == WATCHED:
            return
        grads = {name: one.grad for name, one in self.parameters.items()}
        own = {name for name, grad in grads.items() if grad is not None and part_of(grad).any()}
        had = set().union(*world().gather(own))  # of a tensor in shards a rank may hold none
        self.idle -= had
        self.steps += bool(had)
        idle = sorted(name for name in self.idle if grads[name] is not None or "lora_" in name)
        if self.steps == WATCHED and idle:
            said = "{n} of {all} trained tensors have had no gradient in {steps} steps, such as {name}"
            raise ModelError(
                message(said, n=len(idle), all=len(grads), steps=WATCHED, name=idle[0]),
                hint=message("leave them out of what trains, with lora.targets or top_layers"),
            )


class Crew:
    """A session, its optimiser, and the orders that every rank carries out on them."""

    def __init__(
        self,
        session: Learner,
        optimizer: torch.optim.Optimizer,
        signals: Signals,
    ) -> None:
        self.session, self.optimizer, self.names, self.signals = session, optimizer, named(session), signals
        parts = [] if world().alone else session.parts
        self.diverged_in = ""  # the newest order, where a number in it was not finite
        self._watches = [_GradientWatch(dict(part.parameters)) for part in parts]

    def __call__(self, order: str, *given: Any) -> Any:
        """Carry out an order on all ranks; return the result of rank 0.

        Raises the error of any rank, and RanksApartError where ranks no longer hold the same weights.
        """
        world().gather((order, given))
        return self._carry_out(order, given)

    def follow(self) -> None:
        """Carry out the orders of rank 0 until it dismisses the crew, or fails."""
        waits: Any = None  # rank 0 alone has an order to give
        with self.signals.watching():  # rank 0 decides where the run stops
            while (told := world().gather(waits)[0]) is not None:
                try:
                    self._carry_out(*told)
                except TruingError as error:
                    if error is not world().known or isinstance(error, RankError):
                        raise
                    # Rank 0 has it too. It may still save before it ends the run.

    def dismiss(self) -> None:
        """End `follow` on the other ranks."""
        world().gather(None)

    def _carry_out(self, order: str, given: tuple[Any, ...]) -> Any:
        here, self.diverged_in = world(), ""
        try:
            with here.together():
                found = ORDERS[order](self, *given)
        except DivergedError:
            self.diverged_in = order
            raise
        names = {name: one for name, one in self.names.items() if not here.alone and not is_part(one)}
        sums = checksums(names.values())
        received, of_ranks = zip(*here.gather((self.signals.received, sums)), strict=True)
        if stops := [number for number in received if number is not None]:
            self.signals.received = stops[0]  # else it stays: one may have come since
        require_equal(names, of_ranks)
        return found

    def learn(self, step: int) -> Logs:
        """Learn one step."""
        session, here = self.session, world()
        here.taken()  # by an evaluation, or a checkpoint
        logs = take_step(
            session.plan,
            lambda step: session.learn(self.optimizer, step),
            self.optimizer,
            session.recipe.optim,
            step,
            peak=session.learning_rate,
        )
        for watch in self._watches:
            watch.look()
        return logs if here.alone else logs | traffic_of(here.gather(here.taken()))

    def evaluate(self) -> Logs:
        """Measure the session on its held-out rows."""
        return self.session.evaluation()

    def judge(self, step: int) -> "RewardSummary":
        """Measure a reward model, which has the weights of `step`, on the held-out rows."""
        from truing.runs.held_out import judge_held_out  # brings the evaluation of reward models along

        assert isinstance(self.session, Session), "only runs on rows train reward models"
        return judge_held_out(self.session, step)

    def diagnose(self, asked: "Search") -> "list[RankFinding]":
        """Do the work in which a number was not finite again, in parts; return what each rank has found."""
        from truing.runs.diagnosis import measure  # nothing of it is needed while all numbers are finite

        return world().gather(measure(self, asked))

    def write(self, folder: Path, step: int) -> None:
        """Write this rank's part of a checkpoint of weights in shards."""
        checkpoint.write_part(folder, step, self.tensors())

    def assemble(self) -> None:
        """Put whole weights in place of those in shards, on rank 0; nothing more is learnt."""
        self.session.assemble()

    def tensors(self) -> dict[str, dict[str, torch.Tensor]]:
        """Return what a checkpoint holds: the trained parameters, and the optimiser's state of them."""
        return {
            "model": dict(self.names),
            "optimizer": checkpoint.optimizer_tensors(self.optimizer, self.names),
        }

    def restore(self, path: Path) -> Saved:
        """Put the weights, the moments and the session's state of a checkpoint in place."""
        found = checkpoint.read(path)
        self._put(found)
        checkpoint.restore_optimizer(self.optimizer, self.names, found.tensors["optimizer"])
        self.session.restore(found.state.get("session", {}))
        return found

    def load(self, path: Path) -> None:
        """Put the weights of a checkpoint in place."""
        self._put(checkpoint.read(path))

    def _put(self, found: Saved) -> None:
        for trunk in self.session.trunks:
            settled(trunk)
        checkpoint.restore_parameters(self.names, found.tensors["model"])

    def set_rate(self, rate: float) -> None:
        """Set the peak of the learning rate's schedule, from the next step on."""
        self.session.set_rate(rate)

    def hold(self) -> None:
        """Switch on the likelihood term of preferred responses."""
        assert isinstance(self.session, Session), "only pairs are held"
        hold(self.session)

    def drivers(self, step: int) -> list[Driver]:
        """Find the pairs that drive a fall of preferred responses."""
        assert isinstance(self.session, Session), "only pairs have drivers"
        return drivers(self.session, step)


ORDERS = {
    order.__name__: order
    for order in (
        Crew.learn,
        Crew.evaluate,
        Crew.judge,
        Crew.diagnose,
        Crew.write,
        Crew.assemble,
        Crew.restore,
        Crew.load,
        Crew.set_rate,
        Crew.hold,
        Crew.drivers,
    )
}
