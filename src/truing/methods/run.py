"""Train a session in its run folder: resume, save, evaluate, stop, and say how it ended."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from peft import PeftModel

from truing.core.errors import Stopped
from truing.core.files import require_free_space
from truing.core.memory import keep_freed_memory
from truing.core.messages import message
from truing.core.recipe import Recipe
from truing.core.runs import ROWS, RunFolder, RunState
from truing.methods.care import Care
from truing.methods.rows import Rows, Say
from truing.models import checkpoint
from truing.models.export import export_folder
from truing.models.reward_folder import save_reward
from truing.models.roles import ADAPTER
from truing.models.trained import Policy
from truing.train.hooks import EarlyStop, Evaluate, Hook, Logs, Pace, Signals
from truing.train.optim import Part, make_optimizer
from truing.train.plan import Plan

log = logging.getLogger(__name__)


class Learner(Protocol):
    """A session, offline or online, to the run around it."""

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
    def parts(self) -> Sequence[Part]: ...

    @property
    def learning_rate(self) -> float: ...

    def train_steps(self, optimizer: torch.optim.Optimizer, start: int, hooks: Sequence[Hook]) -> int: ...

    def evaluation(self) -> Logs: ...

    def better(self, logs: Logs) -> float: ...

    def tokens_of(self, step: int) -> int: ...

    def rows_named(self) -> AbstractContextManager[None]: ...

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...

    def inputs(self) -> dict[str, Any]: ...


@dataclass
class Progress:
    """What of a run outlives its process: parameters, moments, the best evaluation, the last save."""

    session: Learner
    folder: RunFolder
    names: dict[str, torch.nn.Parameter]
    optimizer: torch.optim.Optimizer
    evaluation: Evaluate
    signals: Signals
    step: int = 0
    saved: Path | None = None
    logs: Logs = field(default_factory=dict)

    def resume(self) -> None:
        """Continue from the newest whole checkpoint; without one, start over."""
        checkpoint.remove_leftovers(self.folder.checkpoints)
        newest = checkpoint.newest(self.folder.checkpoints)
        if newest is None:
            self.folder.rewind(None)
            return
        self.restore(newest)

    def restore(self, path: Path) -> None:
        """Stand where a checkpoint stands, logs included."""
        found = checkpoint.read(path)
        checkpoint.restore_parameters(self.names, found.tensors["model"])
        checkpoint.restore_optimizer(self.optimizer, self.names, found.tensors["optimizer"])
        self.evaluation.restore(found.state["evaluation"])
        self.session.restore(found.state.get("session", {}))
        self.step, self.saved = found.step, path
        self.folder.rewind(found.step)

    def save(self) -> None:
        tensors = {
            "model": self.names,
            "optimizer": checkpoint.optimizer_tensors(self.optimizer, self.names),
        }
        facts = {
            "evaluation": self.evaluation.state(),
            "session": self.session.state(),
            "inputs": self.session.inputs(),
        }
        self.saved = checkpoint.save(self.folder.checkpoints, self.step, tensors, facts)
        keep = self.session.recipe.checkpoint.keep
        checkpoint.prune(self.folder.checkpoints, keep, protect=self.evaluation.best_step)
        self.status(RunState.RUNNING)

    def status(self, state: RunState, reason: str = "") -> None:
        name = self.saved.name if self.saved else None
        self.folder.write_status(state, step=self.step, last_checkpoint=name, reason=reason)

    def __call__(self, step: int, logs: Logs) -> None:
        """The last hook of a step: log it, save where due, stop where asked."""
        self.step, self.logs = step, dict(logs)
        self.folder.log_metrics(step, logs)
        ending = step == self.session.plan.total or self.signals.received is not None
        ending = ending or self.evaluation.due_to_stop()
        if ending or step % self.session.recipe.checkpoint.every == 0 or self.evaluation.best_step == step:
            self.save()
        self.signals.raise_if_received(step)
        if self.evaluation.due_to_stop():
            raise EarlyStop


@dataclass(frozen=True)
class Finished:
    """How a training run ended; the session's model holds the result."""

    step: int
    checkpoint: Path
    best_step: int | None
    logs: Logs


@contextmanager
def _ending(progress: Progress) -> Iterator[None]:
    """Leaves in `status.json` how the loop ended."""
    try:
        yield
    except (Stopped, KeyboardInterrupt) as stop:
        progress.status(RunState.STOPPED, str(stop) or "stopped by SIGINT")
        raise
    except BaseException as error:
        progress.status(RunState.FAILED, f"{type(error).__name__}: {error}")
        raise


def run(
    session: Learner,
    folder: RunFolder,
    *,
    say: Say = lambda line: None,
    watch: Sequence[Hook] = (),
    allow_change: Sequence[str] = (),
) -> Finished:
    """Train in a run folder, from its newest whole checkpoint where it has one.

    Raises Stopped after a signal (with a complete checkpoint), DivergedError, StorageError.
    """
    keep_freed_memory()
    recipe, plan = session.recipe, session.plan
    changes = folder.write_config(recipe.model_dump(mode="json") | session.inputs(), allow_change)
    split = {"train": len(session.train), "held_out": len(session.held_out)}
    folder.write_facts(ROWS, session.rows.summary | split)
    names = {name: one for part in session.parts for name, one in part.parameters.items()}
    require_free_space(folder.path, 2 * checkpoint.room_for(names))
    optimizer = make_optimizer(session.parts, recipe.optim)
    asked = recipe.evaluate
    evaluation = Evaluate(session.evaluation, asked.every, plan.total, asked.patience, session.better)
    progress = Progress(session, folder, names, optimizer, evaluation, Signals())
    progress.resume()
    if progress.step:
        say(message("resuming after step {step} of {total}", step=progress.step, total=plan.total))
    hooks: list[Hook] = [evaluation] if recipe.data.evaluates else []
    hooks += [Pace(session.tokens_of), *watch, progress]
    care = Care(progress, folder, say)
    care.begin(changed=bool(changes))
    with progress.signals.watching(), _ending(progress), session.rows_named():
        progress.status(RunState.RUNNING)
        care.train(optimizer, hooks)
    return _finish(progress, say)


def write_result(session: Learner, target: Path, facts: Mapping[str, Any]) -> Path:
    """Write what was trained for transformers to open: an adapter alone, a whole policy or a reward model.

    A reward model is whole and in float32: merged into bfloat16, its scores would be rounded to another one.
    Its adapter is written beside it.
    """
    facts = {"method": session.recipe.method, "base_model": session.recipe.policy, **facts}
    if session.scores:
        if isinstance(session.model, PeftModel):  # for PPO, whose policy can carry it on its own backbone
            export_folder(session.model, session.tokenizer, target.parent / ADAPTER, merge=False, facts=facts)
        return save_reward(session.model, session.tokenizer, target, dtype=torch.float32, facts=facts)
    return export_folder(session.model, session.tokenizer, target, merge=False, facts=facts)


def _finish(progress: Progress, say: Say) -> Finished:
    """Put the best weights in place and mark the run done."""
    best = progress.evaluation.best_step
    if best is not None and best != progress.step:
        say(message("the best evaluation was after step {step}: its weights are the result", step=best))
        found = checkpoint.read(progress.folder.checkpoints / f"step-{best:06d}")
        checkpoint.restore_parameters(progress.names, found.tensors["model"])
    progress.status(RunState.DONE)
    assert progress.saved is not None, "the last step is always saved"
    return Finished(progress.step, progress.saved, best, progress.logs)
