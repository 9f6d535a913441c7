"""The plan of a run for people and for programs: memory per rank, pace, and the cheapest layout."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from truing.config.recipe import Recipe
from truing.core.memory import held_bytes, room_bytes
from truing.core.messages import Say, Sentence, joined, message
from truing.models.described import described
from truing.models.gpus import Gpu, named_gpu
from truing.models.layouts import ONE, REPLICATED, SHARDED, memory_of
from truing.models.load import pick_device
from truing.models.machine import cpu_line
from truing.models.precision import measured_rate
from truing.runs.planning import UTILISATION, OutlinedRun, online_work, read_work, seconds_on, work_of
from truing.runs.session import Session

if TYPE_CHECKING:
    from truing.runs.online_session import OnlineSession

CONTEXT = 10**9  # bytes of a GPU that CUDA's context, its libraries and compiled kernels take
AT_WORK = 200 * 10**6  # bytes that kernels and the heap of this process take beside tensors, once it trains
OF_PRODUCTS = 0.5  # of the rate of products that a step on a CPU reaches


@dataclass(frozen=True)
class PlannedLayout:
    """One layout on so many ranks."""

    name: str
    ranks: int
    memory: dict[str, int]  # bytes of a rank by part, at its fullest moment
    room: float  # bytes that a rank may take
    seconds: float | None  # of a step; None where the rate of the device is not known

    @property
    def total(self) -> int:
        return sum(self.memory.values())

    @property
    def fits(self) -> bool:
        return self.total <= self.room

    def line(self) -> Sentence:
        parts = [
            message("{part} {gigabytes:.1f}", part=message(part), gigabytes=size / 1e9)
            for part, size in self.memory.items()
            if size >= 5e7
        ]
        said = "memory      {layout}: {total:.1f} of {room:.0f} GB a rank, {verdict} ({parts})"
        return message(
            said,
            layout=message(self.name),
            total=self.total / 1e9,
            room=self.room / 1e9,
            verdict=message("fits" if self.fits else "does not fit"),
            parts=joined("; ", parts),
        )


@dataclass(frozen=True)
class RunPlan:
    """Every layout of a run on a machine, the cheapest first."""

    machine: str
    basis: Sentence  # of the pace
    layouts: list[PlannedLayout]
    operations: float  # of a step
    tokens: float  # of a step, each prompt once per response
    steps: int

    @property
    def cheapest(self) -> PlannedLayout | None:
        return next((layout for layout in self.layouts if layout.fits), None)

    def as_json(self) -> dict[str, Any]:
        cheapest = self.cheapest
        return {
            "machine": self.machine,
            "cheapest": None if cheapest is None else cheapest.name,
            "operations_per_step": self.operations,
            "tokens_per_step": self.tokens,
            "steps": self.steps,
            "pace": str(self.basis),
            "layouts": [
                {
                    "name": layout.name,
                    "ranks": layout.ranks,
                    "memory": layout.memory,
                    "total": layout.total,
                    "room": layout.room,
                    "fits": layout.fits,
                    "seconds_per_step": layout.seconds,
                    "tokens_per_second": None if layout.seconds is None else self.tokens / layout.seconds,
                }
                for layout in self.layouts
            ],
        }

    def lines(self) -> list[Sentence]:
        """Return the plan as lines for people."""
        found = [message("plan        {machine}, from config.json alone", machine=self.machine)]
        for layout in self.layouts:
            found.append(layout.line())
            if layout.seconds is not None:
                found.append(self._pace(layout.seconds))
        if (cheapest := self.cheapest) is None:
            said = (
                "cheapest    none fits: set activation_checkpointing: true, train an adapter, lower"
                " data.max_tokens or tokens_per_pass, or take more or larger GPUs"
            )
            return [*found, message(said)]
        said = "cheapest    {layout}, {ranks} of them: the least traffic that fits"
        if cheapest.ranks == 1:
            said = "cheapest    {layout}: more ranks take as many hours of machines, and traffic on top"
        return [*found, message(said, layout=message(cheapest.name), ranks=cheapest.ranks)]

    def _pace(self, seconds: float) -> Sentence:
        said = "pace        {tokens:,.0f} tokens/s, {steps} steps in {duration}; {basis}"
        return message(
            said,
            tokens=self.tokens / seconds,
            steps=self.steps,
            duration=told_duration(seconds * self.steps),
            basis=self.basis,
        )


def planned_of(recipe: Recipe, say: Say, *, gpu: bool) -> OutlinedRun:
    """Read a recipe's rows and outline its model, for a GPU or for this machine; no weights are opened."""
    source = described(recipe.policy)
    here = pick_device(recipe.device).type != "cpu"
    return OutlinedRun(recipe, read_work(recipe, source, say), source, gpu or here)


def planned_session(session: "Session | OnlineSession") -> OutlinedRun:
    """Outline the model of an opened run, from the rows it has read."""
    recipe = session.recipe
    if isinstance(session, Session):
        work = work_of(recipe, session.train, session.retained)
    else:
        work = online_work(recipe, [prompt.tree for prompt in session.train])
    scorer = session.scorer
    gpu = scorer.device.type != "cpu"
    return OutlinedRun(recipe, work, described(recipe.policy), gpu, layout=scorer.layout)


def told_duration(seconds: float) -> Sentence:
    """Tell an estimated duration no more exactly than it is known."""
    if seconds < 1:
        return message("under a second")
    if round(seconds) < 60:
        return message("{seconds} s", seconds=round(seconds))
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours:
        return message("about {hours} h {minutes} min", hours=hours, minutes=minutes)
    return message("about {minutes} min", minutes=minutes)


def plan_for(gpu: Gpu, count: int, planned: OutlinedRun) -> RunPlan:
    """Plan a run on so many GPUs of a kind."""
    names = [ONE]
    if count > 1:
        names += [REPLICATED, SHARDED]
    found = [
        _layout(planned, name, 1 if name == ONE else count, gpu.memory, CONTEXT, gpu=gpu) for name in names
    ]
    return _plan(planned, f"{count} x {gpu.name}", _basis(gpu), found)


def _basis(gpu: Gpu) -> Sentence:
    said = "an estimate: {share:.0%} of {peak:.0f} TFLOP/s ({sheet}), traffic not counted"
    return message(said, share=UTILISATION, peak=gpu.bf16 / 1e12, sheet=gpu.sheet)


def plan_here(planned: OutlinedRun, process: int | None = None, seconds: float | None = None) -> RunPlan:
    """Plan a run on this machine, for the device of its recipe.

    `process` counts the bytes of this process without weights, by default what it holds now. `seconds` are
    those of a step as measured; without them the pace is estimated from the rate of products here.
    """
    device, basis = pick_device(planned.recipe.device), message("measured in the first step")
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        gpu, room = named_gpu(name), float(torch.cuda.get_device_properties(device).total_memory)
        if seconds is None:
            basis = message("no data sheet known") if gpu is None else _basis(gpu)
        layout = _layout(planned, ONE, 1, room, CONTEXT, gpu=gpu, seconds=seconds)
        return _plan(planned, name, basis, [layout])
    if seconds is None and not planned.online:
        rate = OF_PRODUCTS * measured_rate(planned.precision.autocast or planned.precision.base)
        seconds = planned.operations() / rate
        basis = message("an estimate: half of the rate of products measured here")
    held = held_bytes() if process is None else process
    layout = _layout(planned, ONE, 1, room_bytes(), held + AT_WORK, seconds=seconds)
    return _plan(planned, cpu_line(), basis, [layout])


def _plan(planned: OutlinedRun, machine: str, basis: Sentence, layouts: list[PlannedLayout]) -> RunPlan:
    work, items = planned.work, planned.recipe.optim.items_per_step
    return RunPlan(machine, basis, layouts, planned.operations(), work.told * items, work.steps)


def _layout(
    planned: OutlinedRun,
    name: str,
    ranks: int,
    room: float,
    process: int,
    *,
    gpu: Gpu | None = None,
    seconds: float | None = None,
) -> PlannedLayout:
    memory = memory_of(planned.needs(process), name, ranks)
    if seconds is None and gpu is not None:
        seconds = seconds_on(gpu, planned, ranks)
    return PlannedLayout(name, ranks, memory, room, seconds)
