"""Look for the cause of a number that is not finite, by doing the work of its step again in parts.

    rank 0: explained(progress, error)      every rank: measure -> RankFinding
    findings of all ranks -> causes.py -> RUN/diagnosis/step-000012.json, and the error with its cause

Each rank does its own rows alone, then those that are not finite with earlier weights: of the newest
checkpoint, and of the start. Weights, moments and generators are left as they were. Nothing of this module is
imported while all numbers are finite.
"""

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from truing.config.run_folder import DIAGNOSIS, read_metrics
from truing.core.errors import DivergedError
from truing.core.files import write_atomic
from truing.core.messages import Sentence, message
from truing.core.secrets import hidden
from truing.models import checkpoint
from truing.models.finite import bad_gradient, fault_of
from truing.models.load import trainable
from truing.models.passes import share_of
from truing.models.room import Short, unless_short
from truing.models.scoring import without_dropout
from truing.models.sharding import part_of, settled
from truing.models.sources import resolve
from truing.models.world import apart, world
from truing.runs.causes import Cause, Diagnosis, Earlier, Tried, cause_of
from truing.runs.crew import Crew
from truing.runs.found import RankFinding, RowFinding, Search
from truing.runs.online_session import OnlineSession
from truing.runs.policies import trained_of, trained_policy
from truing.runs.progress import Progress
from truing.runs.repeated import Work, work_of
from truing.runs.session import Session
from truing.training.step import DivergedItems, clip_gradients

log = logging.getLogger(__name__)
LOOKED = 256  # most rows of a step that are done alone
BEFORE = 20  # rows of metrics that are kept with a diagnosis


def explained(progress: Progress, error: DivergedError) -> DivergedError:
    """Return an error with its cause, and write what was found into the run folder.

    The error itself is returned where the search fails: it is the news, and the failure is logged.
    """
    try:
        return _explained(progress, error)
    except Exception as another:  # of any part of the run that is done again
        log.warning("the cause of %s could not be looked for: %s", error, another)
        return error


def _explained(progress: Progress, error: DivergedError) -> DivergedError:
    asked = _asked(progress, error)
    rate = float(progress.crew.optimizer.param_groups[0]["lr"])
    if isinstance(error, DivergedItems) and error.why:  # known where it was raised
        found, told = [RankFinding(0)], Diagnosis(Cause(error.cause), error.why, error.hint)
    else:
        found = progress.crew("diagnose", asked)
        told = cause_of(_together(found, asked, progress.session.scorer.sharded, rate))
    where = _write(progress, error, asked, found, told)
    hint = _saying(told.hint, where)
    if isinstance(error, DivergedItems):
        return error.because(told.cause, told.why, hint)
    return DivergedError(message("{told}: {why}", told=error.message, why=told.why), hint=hint)


def noted(run: Path, error: DivergedItems) -> DivergedItems:
    """Write an error of a reference before the first step, whose cause is known, into the run folder."""
    facts = {
        "step": 0,
        "when": "reference",
        "error": hidden(str(error)),
        "cause": error.cause,
        "why": error.why,
        "next": error.hint,
        "first": error.first,
        "rows": error.rows,
    }
    path = run / DIAGNOSIS / "step-000000.json"
    path.parent.mkdir(exist_ok=True)
    write_atomic(path, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    return error.because(error.cause, error.why, _saying(error.hint, path))


def _saying(hint: str, path: Path) -> Sentence:
    return message("{hint}; {path} says more", hint=hint, path=path)


def _asked(progress: Progress, error: DivergedError) -> Search:
    """Return the question to all ranks about an error."""
    order, step = progress.crew.diverged_in, progress.step
    items, logs = (error.items, error.logs) if isinstance(error, DivergedItems) else ([], {})
    if order == "learn":
        step += 1
    elif progress.pending is not None:  # an evaluation, of a step that is learnt
        step = progress.pending[0]
    updates = step - (order == "learn") - progress.skipped
    return Search(
        order=order,
        step=step,
        backward=any(name.startswith("grad_norm") for name in logs),
        items=items,
        updates=max(updates, int(progress.moved)),
        saved=progress.saved,
    )


def _together(found: Sequence[RankFinding], asked: Search, sharded: bool, rate: float) -> Tried:
    """Put together what all ranks have found."""
    rows = list(chain.from_iterable(one.rows for one in found))
    given: dict[str, list[str]] = {}
    for row in rows:
        for name in row.given:
            given.setdefault(name, []).append(row.row)
    earlier: dict[int, list[str]] = {}
    for step, bad in chain.from_iterable(one.earlier for one in found):
        earlier.setdefault(step, []).extend(bad)
    return Tried(
        updates=asked.updates,
        looked=len(rows),
        bad=[row.row for row in rows if row.alone],
        parameters=list(dict.fromkeys(chain.from_iterable(one.parameters for one in found))),
        frozen=list(dict.fromkeys(chain.from_iterable(one.frozen for one in found))),
        given=given,
        earlier=[Earlier(step, bad) for step, bad in sorted(earlier.items(), reverse=True)],
        inside=sharded or any(one.first for one in found),
        whole=any(one.whole for one in found),
        rate=rate,
    )


def _write(
    progress: Progress, error: DivergedError, asked: Search, found: Sequence[RankFinding], told: Diagnosis
) -> Path:
    """Write a file of facts and one of token ids for each rank; return the path of the first."""
    folder, name = progress.folder.path / DIAGNOSIS, f"step-{asked.step:06d}"
    folder.mkdir(exist_ok=True)
    columns = ("step", "loss", "grad_norm", "learning_rate")
    before = read_metrics(progress.folder.path)[-BEFORE:]
    shared = {
        "step": asked.step,
        "when": asked.order or "checkpoint",
        "error": hidden(str(error)),
        "cause": str(told.cause),
        "why": str(told.why),
        "next": str(told.hint),
        "metrics": error.logs if isinstance(error, DivergedItems) else {},
        "learning_rate": progress.crew.optimizer.param_groups[0]["lr"],
        "updates": asked.updates,
        "skipped": progress.skipped,
        "ranks": len(found),
        "before": [{key: row.get(key) for key in columns} for row in before],
    }
    paths = []
    for one in found:
        path = folder / (f"{name}.json" if len(found) == 1 else f"{name}.rank-{one.rank}.json")
        facts = json.dumps(_named(shared | one.facts()), indent=2, ensure_ascii=False)
        write_atomic(path, facts + "\n")
        ids = {f"{row.item}.{k}": torch.tensor(text) for row in one.rows for k, text in enumerate(row.ids)}
        write_atomic(path.with_suffix(".safetensors"), save(ids))
        paths.append(path)
    return paths[0]


def _named(value: Any) -> Any:
    """Return a value with numbers that JSON does not have as text: nan, inf, -inf."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _named(one) for key, one in value.items()}
    return [_named(one) for one in value] if isinstance(value, list | tuple) else value


# On every rank


def measure(crew: Crew, asked: Search) -> RankFinding:
    """Do the work of a step again on this rank, in parts.

    Weights in shards are whole only where all ranks run together, so each rank then does all rows.
    """
    session, here = crew.session, world()
    sharded = session.scorer.sharded
    frozen, trained = _bad_parameters(crew)
    place = {"device": str(session.scorer.device), "dtype": str(session.scorer.autocast or torch.float32)}
    found = RankFinding(here.rank, place, parameters=trained, frozen=frozen, largest=_largest(crew.names))
    work = work_of(crew, asked.order, asked.step)
    if work is None:
        return replace(found, first=next(iter([*frozen, *trained]), ""))
    order = [*(i for i in asked.items if i in work.items), *(i for i in work.items if i not in asked.items)]
    trees = {item: work.tree(item) for item in [*order, *work.others][:LOOKED]}
    own = trees if sharded else share_of(trees, session.scorer.layout)

    def agreed(items: Sequence[int]) -> list[int]:
        """Return the items that any rank names where all run them together, else this rank's."""
        return sorted(set(chain(*here.gather(items)))) if sharded else list(items)

    with apart(), _left_alone(crew):
        found = replace(found, rows=[_row(work, crew, item, backward=asked.backward) for item in own])
        bad = agreed([one.item for one in found.rows if one.alone])
        if not bad:
            return replace(found, whole=bool(_fault(work, crew, work.items, backward=asked.backward)))
        first = _first(work, crew, bad[0], backward=asked.backward)
        return replace(found, first=first, earlier=list(_earlier(crew, asked, work, bad, agreed)))


@contextmanager
def _left_alone(crew: Crew) -> Iterator[None]:
    """Leave no gradient behind, no other mode, and every generator as it was."""
    devices = [crew.session.scorer.device] if crew.session.scorer.device.type == "cuda" else []
    with torch.random.fork_rng(devices), ExitStack() as stack:
        for trunk in crew.session.trunks:
            stack.enter_context(without_dropout(trunk))
        try:
            yield
        finally:
            crew.optimizer.zero_grad(set_to_none=True)


def _fault(work: Work, crew: Crew, items: Sequence[int], *, backward: bool) -> str:
    """Return what is not finite where the work is done on some items; empty where all is."""
    crew.optimizer.zero_grad(set_to_none=True)
    try:
        work.again(items, backward)
    except DivergedItems as error:
        what = message("loss is {value}", value=error.logs["loss"]) if error.logs else error.what
        return message("{told}, first in {first}", told=what, first=error.first) if error.first else what
    norms = clip_gradients(crew.optimizer, None) if backward else {}
    bad = ((name, norm) for name, norm in norms.items() if not math.isfinite(norm))
    return next((message("{name} is {value}", name=name, value=norm) for name, norm in bad), "")


def _row(work: Work, crew: Crew, item: int, *, backward: bool) -> RowFinding:
    tree = work.tree(item)
    paths = [[*tree.prompt, *branch.tokens] for branch in tree.branches] or [list(tree.prompt)]
    alone = _fault(work, crew, [item], backward=backward)
    given = [name for name, values in (work.given(item) if alone else {}).items() if not _finite(values)]
    return RowFinding(work.place(item), item, [len(path) for path in paths], paths, alone, given)


def _first(work: Work, crew: Crew, item: int, *, backward: bool) -> str:
    """Name the first parameter, output or gradient that is not finite for an item."""

    def run() -> None:
        try:
            work.again([item], backward)
        except DivergedItems:
            return  # the hooks have seen it

    scorer = crew.session.scorer
    if scorer.sharded:
        return ""
    return fault_of(scorer, run, backward=backward) or (bad_gradient(scorer) if backward else "")


def _earlier(
    crew: Crew, asked: Search, work: Work, bad: Sequence[int], agreed: Callable[[Sequence[int]], list[int]]
) -> Iterator[tuple[int, list[str]]]:
    """Do the rows that are not finite once more with earlier weights, as long as they stay so."""
    weights: list[tuple[int, Callable[[], Mapping[str, Tensor] | None]]] = [(0, partial(_start, crew))]
    if (saved := asked.saved) is not None:
        step = int(saved.name.removeprefix("step-"))
        weights.insert(0, (step, lambda: checkpoint.read(saved).tensors["model"]))
    for step, read in weights if asked.updates else []:
        tensors = read()
        if tensors is None:
            return
        with _holding(crew, tensors):
            found = [item for item in bad if _fault(work, crew, [item], backward=asked.backward)]
        still = agreed(found)
        yield step, [work.place(item) for item in still]
        if not still:
            return


def _start(crew: Crew) -> Mapping[str, Tensor] | None:
    """Return the policy's trained parameters as the run began; None where memory does not hold them."""
    session, cpu = crew.session, torch.device("cpu")
    assert isinstance(session, Session | OnlineSession), "there are no other sessions"
    if session.scorer.sharded:  # each rank would open all of them
        return None
    recipe, precision = session.recipe, session.precision

    def opened() -> nn.Module:
        if isinstance(session, Session):
            how = (session.source, session.tokenizer, precision, cpu, session.chosen)
            return trained_of(recipe, *how).scorer.model
        source = resolve(recipe.policy).path
        return trained_policy(recipe, source, precision, cpu, dropout=False)[0].model

    found = unless_short(opened)
    return None if isinstance(found, Short) else {n: one.detach() for n, one in trainable(found).items()}


@contextmanager
def _holding(crew: Crew, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Hold other weights in the block, and those of before it after."""
    names = {name: one for name, one in crew.names.items() if name in tensors}
    for trunk in crew.session.trunks:
        settled(trunk)
    kept = {name: part_of(one).to("cpu", copy=True) for name, one in names.items()}
    checkpoint.restore_parameters(names, tensors)
    try:
        yield
    finally:
        for trunk in crew.session.trunks:
            settled(trunk)
        with torch.no_grad():
            for name, one in names.items():
                part_of(one).copy_(kept[name])


def _bad_parameters(crew: Crew) -> tuple[list[str], list[str]]:
    """Name the frozen parameters that are not finite, then the trained ones and their moments."""
    trained = {id(one) for one in crew.names.values()}
    held = chain.from_iterable(trunk.named_parameters() for trunk in crew.session.trunks)
    bad = [name for name, one in held if id(one) not in trained and not _finite(one)]
    moments = checkpoint.optimizer_tensors(crew.optimizer, crew.names)
    own: list[str] = [
        *(message("the parameter {name}", name=name) for name, one in crew.names.items() if not _finite(one)),
        *(message("the moment {name}", name=name) for name, one in moments.items() if not _finite(one)),
    ]
    return [message("the parameter {name}", name=name) for name in dict.fromkeys(bad)], own


def _largest(names: Mapping[str, Tensor]) -> tuple[str, float]:
    sizes = {name: float(part_of(one).abs().max()) for name, one in names.items() if part_of(one).numel()}
    return max(sizes.items(), key=lambda one: math.inf if math.isnan(one[1]) else one[1], default=("", 0.0))


def _finite(values: Tensor | None) -> bool:
    return values is None or bool(torch.isfinite(part_of(values)).all())
