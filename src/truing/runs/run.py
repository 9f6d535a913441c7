"""Train a session in its run folder: resume, save, evaluate, stop, and say how it ended."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from truing.config.run_folder import ROWS, RunFolder, RunState
from truing.core.errors import DivergedError, Stopped, StorageError, TruingError
from truing.core.files import require_free_space
from truing.core.memory import keep_freed_memory
from truing.core.messages import Say, message
from truing.core.signals import STOPS, reason_of, unheard
from truing.models import checkpoint
from truing.models.card import facts_of_rows
from truing.models.export import export_folder
from truing.models.results import ADAPTER
from truing.models.world import RanksApartError
from truing.runs.crew import Crew, Learner, crew_of
from truing.runs.progress import Progress
from truing.runs.watched import take_up, train_watched
from truing.training.health import Finding, Unhealthy
from truing.training.hooks import Evaluate, Hook, Logs, Pace


@dataclass(frozen=True)
class Finished:
    """The end of a training run; the session's model holds the result."""

    step: int
    checkpoint: Path
    best_step: int | None
    logs: Logs
    note: str = ""  # what a reader of the result should know of it


@contextmanager
def _ending(progress: Progress) -> Iterator[None]:
    """Write the end of the loop to `status.json`, and a checkpoint where the failure is not in training."""
    try:
        try:
            yield
        except Stopped:
            if progress.pending is not None:  # an evaluation was cut short
                progress.keep()
            raise
    except STOPS as stop:
        with unheard():
            progress.status(RunState.STOPPED, reason_of(stop, progress.step))
        raise
    except BaseException as error:
        if isinstance(error, TruingError) and not isinstance(error, DivergedError | StorageError):
            progress.keep_if_possible(error)
        progress.fail(error)
        raise


def run(
    session: Learner,
    folder: RunFolder,
    *,
    say: Say = lambda line: None,
    watch: Sequence[Hook] = (),
    allow_change: Sequence[str] = (),
    result: Callable[[Finished], object] = lambda finished: None,
    alert: Callable[[Finding], None] = lambda finding: None,
    crew: Crew | None = None,
) -> Finished:
    """Train in a run folder, from its newest whole checkpoint where it has one.

    `result` writes the files that outlive the run; the run is done once it returns. `alert` is called with
    each health finding. `crew` is the session's, where the caller has given orders of its own.
    Raises Stopped after a signal (with a complete checkpoint), DivergedError, StorageError.
    """
    keep_freed_memory()
    recipe, plan = session.recipe, session.plan
    inputs = session.inputs()
    resumed = folder.write_config(recipe.model_dump(mode="json") | inputs, allow_change)
    for line in resumed.told():
        say(line)
    split = {"train": len(session.train), "held_out": len(session.held_out)}
    folder.write_facts(ROWS, session.rows.summary | split)
    crew = crew or crew_of(session)
    require_free_space(folder.path, 2 * checkpoint.room_for(crew.names))
    asked = recipe.evaluate
    measure = partial(crew, "evaluate")
    how: dict[str, Any] = {"aim": session.better, "cut_short": crew.signals.at_once}
    evaluation = Evaluate(measure, asked.every, plan.total, asked.patience, **how)
    progress = Progress(crew, folder, evaluation, inputs, say)
    progress.resume()
    if stands := progress.pending[0] if progress.pending else progress.step:
        say(message("resuming after step {step} of {total}", step=stands, total=plan.total))
    hooks: list[Hook] = [progress.learnt, *([evaluation] if recipe.data.evaluates else [])]
    hooks += [Pace(session.tokens_of), *watch, progress]
    take_up(progress, changed=bool(resumed.changes))
    with _ending(progress), session.rows_named():
        progress.status(RunState.RUNNING)
        if progress.step < plan.total:
            session.keep_frozen()
        with progress.signals.watching():
            _learn(progress, hooks, alert)
            session.require_learnt()
    with _ending(progress):
        progress.signals.raise_if_received(progress.step)  # one may have come after the last hook
        finished = _finish(progress, say)
        result(finished)
        progress.status(RunState.DONE, finished.note)
    crew.dismiss()
    return finished


def _learn(progress: Progress, hooks: Sequence[Hook], alert: Callable[[Finding], None]) -> None:
    """Train to the end; a number that is not finite is looked into before it ends the run."""
    try:
        train_watched(progress, hooks, alert)
    except DivergedError as error:
        if isinstance(error, Unhealthy | RanksApartError):
            raise
        raise progress.explained(error) from error


def write_result(session: Learner, target: Path, facts: Mapping[str, Any]) -> Path:
    """Write the trained weights in transformers' format: an adapter alone, a whole policy or a reward model.

    A reward model is written whole and in float32, since merging into bfloat16 would round its scores. Its
    adapter is written beside it.
    """
    facts = {"method": session.recipe.method, "base_model": session.recipe.policy, **facts}
    facts |= facts_of_rows(session.rows.summary)
    if session.scores:
        from truing.models.reward_folder import save_reward  # reads heads of many kinds

        if isinstance(session.model, PeftModel):  # for PPO, whose policy can carry it on its own backbone
            export_folder(session.model, session.tokenizer, target.parent / ADAPTER, merge=False, facts=facts)
        return save_reward(session.model, session.tokenizer, target, dtype=torch.float32, facts=facts)
    return export_folder(session.model, session.tokenizer, target, merge=False, facts=facts)


def _finish(progress: Progress, say: Say) -> Finished:
    """Put the best weights in place."""
    best, note = progress.evaluation.best_step, ""
    if problem := progress.problem_of_best():
        said = "the result is the weights after step {step}; the best, after step {best}, are lost: {problem}"
        note = message(said, best=best, problem=problem, step=progress.step)
        say(note)
        best = None
    elif best is not None and best != progress.step:
        say(message("the best evaluation was after step {step}: its weights are the result", step=best))
        progress.crew("load", progress.path_of(best))
        progress.moved = True  # they are no longer those of the last step
    assert progress.saved is not None, "the last step is always saved"
    return Finished(progress.step, progress.saved, best, progress.logs, note)
