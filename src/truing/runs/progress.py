"""Progress of a run: its checkpoints, and the step it goes on from."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from truing.config.run_folder import METRICS, RunFolder, RunState, read_metrics, read_status
from truing.core.errors import DivergedError, StorageError, TruingError
from truing.core.messages import Say, message
from truing.models import checkpoint
from truing.runs.crew import Crew, Learner
from truing.training.health_series import SKIPPED
from truing.training.hooks import ASKED, EarlyStop, Evaluate, Hook, Logs, Signals
from truing.training.step import DivergedItems

log = logging.getLogger(__name__)


@dataclass
class Progress:
    """The parts of a run that outlive its process: parameters, moments, best evaluation, last save.

    A step is learnt, then the hooks are called with it; this is the last hook. A failure in between, such as
    that of a judge in an evaluation, leaves a checkpoint that is `pending`: its hooks are called when the run
    goes on.
    """

    crew: Crew
    folder: RunFolder
    evaluation: Evaluate
    inputs: dict[str, Any]  # the record of the run's inputs at its start
    say: Say = lambda line: None
    step: int = 0  # the newest whose hooks have been called
    saved: Path | None = None
    logs: Logs = field(default_factory=dict)
    pending: tuple[int, Logs] | None = None  # a step that is learnt, before its hooks have said anything
    moved: bool = False  # whether parameters are no longer those of `step`
    skipped: int = 0  # steps so far, since a number in them was not finite

    def __post_init__(self) -> None:
        self._evaluated = self.evaluation.state()  # before the hooks of `pending`
        self.crew.optimizer.register_step_post_hook(self._move)

    @property
    def session(self) -> Learner:
        return self.crew.session

    @property
    def signals(self) -> Signals:
        return self.crew.signals

    def _move(self, *_: object) -> None:
        self.moved = True

    def resume(self) -> None:
        """Continue from the newest whole checkpoint; without one, start over.

        Raises StorageError where there were checkpoints and none can be read.
        """
        checkpoint.remove_leftovers(self.folder.checkpoints)
        newest = checkpoint.newest(self.folder.checkpoints, self._pass_over)
        if newest is None:
            self._require_none_lost()
            self.folder.rewind(None)
            return
        self.restore(newest)
        self._forget_a_damaged_best()

    def _pass_over(self, problem: str) -> None:
        self.say(message("a damaged checkpoint is passed over: {problem}", problem=problem))

    def _require_none_lost(self) -> None:
        status, steps = read_status(self.folder.path), checkpoint.steps_in(self.folder.checkpoints)
        logged = len(read_metrics(self.folder.path))
        if steps or (status and status.last_checkpoint) or logged > self.session.recipe.checkpoint.every:
            stood = status.step if status else logged
            said = "{path}: the run stood at step {step}, and none of its checkpoints can be read"
            hint = "put them back from a copy; to begin again, choose another output or remove {path}"
            path = self.folder.path
            raise StorageError(message(said, path=path, step=stood), hint=message(hint, path=path))
        if logged:
            self.say(message("no checkpoint was saved yet: it begins again at step 1"))

    def _forget_a_damaged_best(self) -> None:
        best = self.evaluation.best_step
        if best is not None and (problem := self.problem_of_best()):
            self.evaluation.forget()
            said = "the weights of the best evaluation, after step {step}, are lost: {problem}"
            self.say(message(said, step=best, problem=problem))

    def path_of(self, step: int) -> Path:
        return self.folder.checkpoints / f"step-{step:06d}"

    def problem_of_best(self) -> str:
        """Return why the checkpoint of the best evaluation cannot be used; "" where it can."""
        best = self.evaluation.best_step
        return "" if best is None or best == self.step else checkpoint.problem_of(self.path_of(best))

    def restore(self, path: Path) -> None:
        """Return the run, logs included, to the state of a checkpoint."""
        found = self.crew("restore", path)
        self.evaluation.restore(found.state["evaluation"])
        self.skipped = found.state.get("skipped", 0)  # checkpoints of earlier versions do not say
        logs = found.state.get("pending")
        self.pending = None if logs is None else (found.step, logs)
        told = found.step if logs is None else found.step - 1
        self.step, self.saved, self.moved = told, path, False
        self.folder.rewind(found.step, metrics=told)
        lost = told - len({row["step"] for row in read_metrics(self.folder.path)})
        if lost > 0:
            said = "{path} was cut short: the numbers of {lost} of {told} steps are lost"
            self.say(message(said, path=self.folder.path / METRICS, lost=lost, told=told))

    def save(self) -> None:
        self._write(self.step, {"evaluation": self.evaluation.state()})
        self.status(RunState.RUNNING)

    def _write(self, step: int, facts: dict[str, Any], *, replace: bool = False) -> None:
        facts = {**facts, "session": self.session.state(), "inputs": self.inputs, "skipped": self.skipped}
        sharded, tensors = self.session.scorer.sharded, self.crew.tensors()
        write = (lambda folder: self.crew("write", folder, step)) if sharded else None
        self.saved = checkpoint.save(
            self.folder.checkpoints, step, tensors, facts, replace=replace, write=write
        )
        keep = self.session.recipe.checkpoint.keep
        checkpoint.prune(self.folder.checkpoints, keep, protect=self.evaluation.best_step)

    def keep(self) -> None:
        """Save the run after a failure outside the training, such as that of a reward.

        Nothing is saved in the middle of a step's updates, or before the first.
        """
        step = self.step
        if self.pending is not None:
            step, logs = self.pending
            self._write(step, {"evaluation": self._evaluated, "pending": logs}, replace=True)
        elif step and not self.moved:
            self._write(step, {"evaluation": self.evaluation.state()})
        else:
            return
        self.say(message("saved after step {step}: the same command goes on from there", step=step))

    def keep_if_possible(self, error: TruingError) -> None:
        """Call `keep` and log its own failure, of a disk or a sampler; `error` is the failure before it."""
        try:
            self.keep()
        except TruingError as another:
            log.warning("no checkpoint was saved after %s: %s", error, another)

    def status(self, state: RunState, reason: str = "") -> None:
        name = self.saved.name if self.saved else None
        how = {"last_checkpoint": name, "reason": reason, "skipped": self.skipped}
        self.folder.write_status(state, step=self.step, **how)

    def fail(self, error: BaseException) -> None:
        """Write the failure to `status.json`; log it where that fails too, since `error` came before."""
        try:
            self.status(RunState.FAILED, f"{type(error).__name__}: {error}")
        except StorageError as another:
            log.warning("%s", another)

    def set_rate(self, rate: float) -> None:
        """Set the peak of the learning rate's schedule, from the next step on."""
        self.crew("set_rate", rate)

    def newest_sound(self, *, before: int) -> int | None:
        """Return the step of the newest whole checkpoint from before a step; None where there is none."""
        steps = [step for step in checkpoint.steps_in(self.folder.checkpoints) if step < before]
        sound = (step for step in reversed(steps) if not checkpoint.problem_of(self.path_of(step)))
        return next(sound, None)

    def discard_after(self, step: int) -> None:
        """Remove the checkpoints of later steps, so that the run goes on from `step` whatever stops it."""
        for later in checkpoint.steps_in(self.folder.checkpoints):
            if later > step:
                shutil.rmtree(self.path_of(later))

    def forget_a_lost_best(self) -> None:
        """Forget the best evaluation so far where its checkpoint has been removed."""
        best = self.evaluation.best_step
        if best is not None and not self.path_of(best).exists():
            self.evaluation.forget()
            self.evaluation.without_progress = 0

    def learn(self, step: int) -> Logs:
        """Learn one step; return its metrics.

        A step in which a number is not finite is passed over, `health.skip_nonfinite` times in a run. Its
        metrics are those that it came to, with the count of such steps as `skipped`. Raises DivergedItems.
        """
        try:
            with self.session.rows_named():
                return self.crew("learn", step)
        except DivergedItems as error:
            most = self.session.recipe.health.skip_nonfinite
            if self.skipped >= most:
                raise
            told, found = self.explained(error.at_step(step)), error.logs
        self.skipped += 1
        said = "skipped ({n} of {most}): {error}"
        self.say(message(said, n=self.skipped, most=most, error=told.message))
        self.status(RunState.RUNNING)
        rate, epoch = self.crew.optimizer.param_groups[0]["lr"], step / self.session.plan.steps_per_epoch
        known = {"epoch": round(epoch, 4), "learning_rate": rate}
        return known | found | {SKIPPED: float(self.skipped)}

    def explained(self, error: DivergedError) -> DivergedError:
        """Return an error of a number that is not finite with its cause, which is written to the folder."""
        from truing.runs.diagnosis import explained  # nothing of it is needed while all numbers are finite

        return explained(self, error)

    def learnt(self, step: int, logs: Logs) -> None:
        """Record that the updates of a step are done; the first hook of a step."""
        self.pending, self._evaluated = (step, dict(logs)), self.evaluation.state()

    def finish_pending(self, hooks: Sequence[Hook]) -> bool:
        """Call the hooks of a step that was learnt before the run stopped; tell whether they end the run."""
        if self.pending is None:
            return False
        step, logs = self.pending
        try:
            for hook in hooks:
                hook(step, logs)
        except DivergedItems as error:
            raise error.at_step(step) from error
        except EarlyStop:
            return True
        return False

    def __call__(self, step: int, logs: Logs) -> None:
        """Log a step, save it where due, stop where asked; the last hook of a step."""
        unfinished = self.saved is not None and self.saved == self.path_of(step)  # by an earlier process
        self.step, self.logs, self.pending, self.moved = step, dict(logs), None, False
        self.folder.log_metrics(step, logs)
        if self.signals.received is None and self.folder.asked_to_stop():
            self.signals.received = ASKED
        ending = step == self.session.plan.total or self.signals.received is not None
        ending = ending or self.evaluation.due_to_stop()
        if unfinished:
            self._write(step, {"evaluation": self.evaluation.state()}, replace=True)
        due = step % self.session.recipe.checkpoint.every == 0
        if ending or due or self.evaluation.best_step == step:
            self.save()
        self.signals.raise_if_received(step)
        if self.evaluation.due_to_stop():
            raise EarlyStop
