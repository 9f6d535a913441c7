"""One optimiser step, shared by every method; loops only decide what goes into it."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from truing.core.errors import DivergedError
from truing.core.messages import message
from truing.data.packing import PackedBatch
from truing.models.finite import bad_gradient, fault_of
from truing.models.room import Overfull, Room, attempt
from truing.models.scoring import Trunk
from truing.models.sharding import replicated, whole
from truing.models.world import world

Unit = Literal[
    "pair",
    "prompt",
    "response",
    "token",
    "chosen_token",
    "whole_token",
    "retained_token",
    "value_token",
    "ptx_token",
    "desirable",
    "undesirable",
]
Totals = Mapping[Unit, int]
Again = Callable[[Overfull], Sequence[PackedBatch]]


class Tally(NamedTuple):
    """Something to average over a whole step: `sum(values) / number of units`."""

    values: Tensor  # any shape, f32
    unit: Unit


class Outcome(NamedTuple):
    """The result of an objective on one pass: losses to add up, and metrics to log."""

    losses: list[Tally]
    metrics: dict[str, Tally]


class Objective(Protocol):
    """A method as the loop sees it."""

    @property
    def scorer(self) -> torch.nn.Module:
        """Return the module that is trained."""
        ...

    def prepare(self, passes: Sequence[PackedBatch]) -> "tuple[Objective, Sequence[PackedBatch]]":
        """Return the objective to call and the passes to call it on.

        `passes` are all passes of a step. Runs before the first backward.
        """
        ...

    def count(self, batch: PackedBatch) -> Totals:
        """Count the units of each kind in a pass; runs before any forward."""
        ...

    def __call__(self, batch: PackedBatch) -> Outcome: ...


def _totals(passes: Sequence[PackedBatch], objective: Objective) -> Counter[Unit]:
    """Count the units of a step, over all ranks."""
    own: Counter[Unit] = Counter()
    for batch in passes:
        if not batch.blank:
            own.update(objective.count(batch))
    totals: Counter[Unit] = Counter()
    for counted in world().gather(own):
        totals.update(counted)
    return totals


LOOK = "lower optim.learning_rate, or look at these rows with `truing data show`"


class DivergedItems(DivergedError):
    """A number made of some items is not finite. The loop knows items by number; `at` names their rows."""

    def __init__(
        self,
        what: str,
        items: Iterable[int],
        *,
        first: str = "",  # where it began: a parameter, a module
        step: int | None = None,
        rows: Sequence[str] | None = None,  # names of the items, where they are known
        cause: str = "",  # a value of `runs.causes.Cause`, once it has been looked for
        why: str = "",  # the cause in words
        hint: str = LOOK,
        logs: Mapping[str, float] | None = None,  # metrics of the step as far as it came
    ) -> None:
        self.what, self.items = what, sorted(set(items))  # one may be in passes of several roles
        self.first, self.step, self.rows, self.cause, self.why = first, step, rows, cause, why
        self.logs = dict(logs or {})
        named = list(map(str, self.items)) if rows is None else rows
        listed = f"{', '.join(named[:8])}{' …' if len(named) > 8 else ''}"
        told = message("{what} (rows {rows})", what=what, rows=listed)
        if step is not None:
            told = message("{told} at step {step}", told=told, step=step)
        if first:
            told = message("{told}, first in {first}", told=told, first=first)
        super().__init__(message("{told}: {why}", told=told, why=why) if why else told, hint=hint)

    def at_step(self, step: int) -> "DivergedItems":
        """Return this error with the step at which it happened."""
        return self._but(step=step)

    def at(self, places: Sequence[str]) -> "DivergedItems":
        """Return this error with each item as `file:line`.

        `places` are those of all items, by number. An error that names its rows already stays as it is.
        """
        return self._but(rows=self.rows or [places[item] for item in self.items])

    def because(self, cause: str, why: str, hint: str) -> "DivergedItems":
        """Return this error with its cause, in words too, and with the next thing to do."""
        return self._but(cause=cause, why=why, hint=hint)

    def _but(self, **changes: Any) -> "DivergedItems":
        kept = ("first", "step", "rows", "cause", "why", "hint", "logs")
        known = {name: getattr(self, name) for name in kept}
        return DivergedItems(self.what, self.items, **(known | changes))


def accumulate(
    passes: Sequence[PackedBatch],
    objective: Objective,
    *,
    backward: bool = True,
) -> dict[str, float]:
    """Run `objective` over the passes of one step and leave its gradient in the parameters.

    Units are counted over the whole step before the first backward, so neither the gradient nor a
    logged mean depends on how the step was cut into passes. `passes` are those of this rank, and what is
    logged is that of all ranks; gradients are still this rank's own. Raises DivergedItems at a loss that is
    not finite, of held-out items too.
    """
    objective, passes = objective.prepare(passes)
    totals = _totals(passes, objective)
    logs: dict[str, float] = {}
    diverged: DivergedItems | None = None

    def mean(part: Tally) -> Tensor:
        return part.values.sum() / totals[part.unit]

    for batch in passes:
        with torch.set_grad_enabled(backward):
            losses, metrics = objective(batch)
            loss = torch.stack([mean(part) for part in losses]).sum()
        if batch.blank:
            loss, metrics = 0 * loss, {}
        elif not math.isfinite(value := float(loss.detach())) and diverged is None:
            diverged = _diverged(objective, batch, "loss" if backward else "evaluation loss", value)
            if not is_sharded(objective):  # else the other ranks wait for this one's passes
                raise diverged
        if backward:
            loss.backward()
            world().learnt += 0 if batch.blank else batch.tokens.numel()
        shown = {k: mean(part) for k, part in metrics.items() if totals[part.unit]}
        for name, value in {"loss": loss, **shown}.items():
            logs[name] = logs.get(name, 0.0) + float(value.detach())
    if diverged is not None:
        raise diverged
    return _summed(world().gather(logs))


def is_sharded(objective: Objective) -> bool:
    """Tell whether the weights that an objective trains lie in shards over ranks."""
    return isinstance(objective.scorer, Trunk) and objective.scorer.sharded


def _diverged(objective: Objective, batch: PackedBatch, name: str, value: float) -> DivergedItems:
    """Make the error of a pass whose loss is not finite; it names the first fault where one rank can look."""
    first = "" if is_sharded(objective) else fault_of(objective.scorer, lambda: objective(batch))
    what = message("{name} is {value}", name=message(name), value=value)
    return DivergedItems(what, batch.items, first=first, logs={"loss": value})


def _summed(parts: Sequence[dict[str, float]]) -> dict[str, float]:
    """Add up metrics by name, in the order of the parts."""
    found, *others = parts
    for part in others:
        found = {name: found.get(name, 0.0) + part.get(name, 0.0) for name in found | part}
    return found


def smaller(room: Room | None, cut: Callable[[], Sequence[PackedBatch]]) -> Again | None:
    """Return a function that cuts a step anew once `room` holds half of a pass that was too large."""
    if room is None:
        return None

    def again(found: Overfull) -> Sequence[PackedBatch]:
        room.halve(found)
        return cut()

    return again


class _Watched:
    """An objective that remembers the pass it was last called on."""

    def __init__(self, objective: Objective, passes: Sequence[PackedBatch]) -> None:
        self._objective = objective
        self._last = max(passes, key=lambda batch: batch.tokens.numel(), default=None)  # until the first call
        self.scorer = objective.scorer

    def prepare(self, passes: Sequence[PackedBatch]) -> "tuple[Objective, Sequence[PackedBatch]]":
        self._objective, looped = self._objective.prepare(passes)
        return self, looped

    def count(self, batch: PackedBatch) -> Totals:
        return self._objective.count(batch)

    def __call__(self, batch: PackedBatch) -> Outcome:
        self._last = batch
        return self._objective(batch)

    def last(self) -> PackedBatch:
        """Return the pass of the last call; memory runs out in a pass alone, so there is one."""
        assert self._last is not None
        return self._last


def accumulate_within(
    passes: Sequence[PackedBatch],
    objective: Objective,
    *,
    again: Again | None,
    undo: Callable[[], None] = lambda: None,
    backward: bool = True,
) -> dict[str, float]:
    """Run `accumulate`, and run it again over the smaller passes that `again` cuts where memory runs out.

    `undo` takes back the gradient that a pass left before it failed. Random numbers are drawn anew from where
    the step began, as a run with small passes from the start would draw them.
    """
    if again is None or (not passes and world().alone):
        return accumulate(passes, objective, backward=backward)
    drawn = torch.get_rng_state()
    while isinstance(found := _tried(passes, objective, backward), Overfull):
        undo()
        passes = again(found)
        torch.set_rng_state(drawn)
    return found


def _tried(
    passes: Sequence[PackedBatch], objective: Objective, backward: bool
) -> dict[str, float] | Overfull:
    """Run `accumulate`; return an Overfull, of this rank or another, as a result."""
    watched = _Watched(objective, passes)
    try:
        found = attempt(lambda: accumulate(passes, watched, backward=backward), watched.last)
        if isinstance(found, Overfull):
            world().fail(found)
    except Overfull as elsewhere:
        return elsewhere
    return found


def clip_gradients(optimizer: torch.optim.Optimizer, most: float | None) -> dict[str, float]:
    """Clip the gradient of each part of an optimiser; return each part's norm before clipping, by name."""
    parts: dict[str, list[torch.nn.Parameter]] = {}
    for group in optimizer.param_groups:
        parts.setdefault(group.get("part", ""), []).extend(group["params"])
    norms: dict[str, float] = {}
    for name, parameters in parts.items():
        with_gradient = [one for one in parameters if one.grad is not None]
        norm = whole(get_total_norm([one.grad for one in with_gradient if one.grad is not None]))
        norms[f"grad_norm/{name}" if name else "grad_norm"] = float(norm)
        if math.isfinite(float(norm)):  # else they stay as they are, for who looks for the fault
            clip_grads_with_norm_(with_gradient, most or math.inf, norm)
    return norms


def learn_step(
    optimizer: torch.optim.Optimizer,
    passes: Sequence[PackedBatch],
    objective: Objective,
    *,
    max_grad_norm: float | None = 1.0,
    again: Again | None = None,
) -> dict[str, float]:
    """Take one optimiser step over `passes`; return its means and each part's `grad_norm` before clipping.

    `again` cuts the same items into smaller passes where memory runs out. Raises DivergedItems before
    anything is changed when the loss or the gradient is not finite, and Overfull when one row does not fit.
    """
    optimizer.zero_grad(set_to_none=True)
    logs = accumulate_within(passes, objective, again=again, undo=optimizer.zero_grad)
    world().add_up(replicated(one for group in optimizer.param_groups for one in group["params"]))
    norms = clip_gradients(optimizer, max_grad_norm)
    for name, norm in norms.items():
        if not math.isfinite(norm):
            items = world().gather([i for batch in passes for i in batch.items])
            first = "" if is_sharded(objective) else bad_gradient(objective.scorer)
            what = message("{name} is {value}", name=name, value=norm)
            raise DivergedItems(what, chain(*items), first=first, logs=logs | norms)
    logs |= norms
    optimizer.step()
    return logs
