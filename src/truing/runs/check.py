"""The findings of `truing check`: masks, counts, the first step's loss and gradient, memory and time."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from truing.core.errors import ModelError
from truing.core.memory import held_bytes, peak_bytes
from truing.core.messages import Sentence, joined, message
from truing.data.notes import mask_counts
from truing.data.packing import PackedBatch
from truing.data.stored import Stored
from truing.runs.crew import named
from truing.runs.plans import RunPlan, plan_here, planned_session, told_duration
from truing.runs.session import Session
from truing.training.step import accumulate_within, smaller

if TYPE_CHECKING:
    from truing.runs.online_session import OnlineSession


@dataclass(frozen=True)
class Checked:
    """The findings: `as_json` for scripts, `lines` for people."""

    logs: dict[str, float]  # the first step's means
    grad_norm: float  # L2 over all trained parameters, before clipping
    items: int  # trees in the first step
    tokens: int  # of the first step, every prompt counted once per response
    rows: dict[str, Any]  # read, made of pairs, kept, set aside by reason
    described: Sentence  # `rows` in a sentence for people
    masks: dict[str, int]  # of all training branches: counts of suspect ones, by the name of the problem
    steps: int  # of the whole run
    seconds_per_step: float
    memory: int  # peak bytes of this process so far
    parameters: dict[str, int]  # trained and all
    layout: str
    dtype: str
    plan: RunPlan | None  # None for a model that cannot run without numbers

    def as_json(self) -> dict[str, Any]:
        fields = dict(vars(self))
        del fields["described"]
        fields["plan"] = None if self.plan is None else self.plan.as_json()
        return {
            "loss": self.logs.get("loss"),
            "grad_norm": self.grad_norm,
            "metrics": fields.pop("logs"),
            **fields,
        }

    def lines(self) -> list[Sentence]:
        """Return the findings as lines for people."""
        trained, all_ = self.parameters["trained"], self.parameters["all"]
        warnings = [
            message("{what}: {n}", what=message(name), n=n)
            for name, n in self.masks.items()
            if n and name != "branches"
        ]
        return [
            message("rows        {described}", described=self.described),
            message(
                "masks       {n} responses; {found}",
                n=self.masks["branches"],
                found=joined("; ", warnings or [message("all sound")]),
            ),
            self._first_step(),
            message(
                "parameters  {trained:,} of {all:,} trained ({share:.2%}), {dtype}, {layout}",
                trained=trained,
                all=all_,
                share=trained / all_,
                dtype=self.dtype,
                layout=self.layout,
            ),
            message("memory      {gigabytes:.1f} GB so far", gigabytes=self.memory / 1e9),
            message(
                "time        {duration} for {steps} steps, {each} each",
                duration=told_duration(self.steps * self.seconds_per_step),
                steps=self.steps,
                each=_each(self.seconds_per_step),
            ),
        ]

    def _first_step(self) -> Sentence:
        told = {"items": self.items, "tokens": self.tokens}
        if "loss" not in self.logs:
            return message("first step  nothing to learn from {items} items, {tokens} tokens", **told)
        said = "first step  loss {loss:.6g}, gradient norm {norm:.6g}, {items} items, {tokens} tokens"
        return message(said, loss=self.logs["loss"], norm=self.grad_norm, **told)


def _each(seconds: float) -> Sentence:
    """Tell the seconds of one step, which may be far below 1."""
    if seconds < 0.01:
        return message("under {seconds} s", seconds=0.01)
    return message("{seconds} s", seconds=f"{seconds:.2f}" if seconds < 10 else f"{seconds:.0f}")


def _masks(session: "Session | OnlineSession", passes: Sequence[PackedBatch]) -> dict[str, int]:
    if isinstance(session, Session) and isinstance(session.train, Stored):
        return dict(session.rows.masks)  # counted when the rows were stored, those held out too
    if isinstance(session, Session):
        everything = session.recipe.data.tokens == "all"
        return mask_counts(session.train, session.renderer, everything=everything)
    return {"branches": sum(batch.branches for batch in passes)}  # what is sampled is scored whole


def _plan(session: "Session | OnlineSession", process: int, seconds: float) -> RunPlan | None:
    """Plan an opened run; say why where its model cannot be outlined."""
    try:
        return plan_here(planned_session(session), process, seconds)
    except ModelError as error:
        session.say(error.message)
        return None


def check_session(session: "Session | OnlineSession") -> Checked:
    """Run the first step's forward and backward without an update."""
    names = named(session)
    weights = sum(p.numel() * p.element_size() for p in session.model.parameters())
    process = max(0, held_bytes() - weights)
    items = session.plan.items_of(1)
    start = time.perf_counter()
    passes, objective = session.first_step()
    again = smaller(session.scorer.room, lambda: session.first_step()[0])
    with session.rows_named():
        logs = accumulate_within(passes, objective, again=again, undo=session.model.zero_grad)
    seconds = time.perf_counter() - start
    squares = [float(p.grad.double().square().sum()) for p in names.values() if p.grad is not None]
    for parameter in names.values():
        parameter.grad = None
    return Checked(
        logs=logs,
        grad_norm=math.sqrt(sum(squares)),
        items=len(items),
        tokens=session.tokens_of(1),
        rows=session.rows.summary,
        described=session.rows.describe(),
        masks=_masks(session, passes) | dict(session.rows.rendered.counts),
        steps=session.plan.total,
        seconds_per_step=seconds,
        memory=peak_bytes(),
        parameters={
            "trained": sum(p.numel() for p in names.values()),
            "all": sum(p.numel() for p in session.model.parameters()),
        },
        layout=session.scorer.layout,
        dtype=session.precision.name,
        plan=_plan(session, process, seconds),
    )
