"""One run from its recipe to its result, for `truing train` and for every stage of `truing run`."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from truing.config.recipe import Recipe
from truing.config.run_folder import REWARD, RUBRICS, RunFolder
from truing.core.memory import keep_freed_memory
from truing.core.messages import Say, message
from truing.runs.crew import Crew, Learner, crew_of
from truing.runs.opening import open_run
from truing.runs.run import Finished, run, write_result
from truing.runs.session import Session
from truing.runs.tracking import tracked
from truing.runs.votes import shared_votes
from truing.training.hooks import Hook, Logs
from truing.training.step import DivergedItems

if TYPE_CHECKING:
    from truing.evals.reward_summary import RewardSummary


class ProgressLine(Protocol):
    """A display that is told of every step."""

    def step(self, step: int, logs: Logs) -> None: ...


StepWatch = Callable[[str, int], AbstractContextManager[ProgressLine]]  # a title and a number of steps
Beside = Callable[[Learner], object]  # writes more of a session whose result has been written


def nothing(session: Learner) -> None:
    """Write nothing beside a result."""


@dataclass(frozen=True)
class Done:
    """A run that has ended, and its result."""

    target: Path
    scores: bool  # whether it is a reward model
    held_out: bool  # whether rows were kept to measure it on


def train_recipe(
    recipe: Recipe,
    folder: RunFolder,
    say: Say,
    watch: StepWatch,
    *,
    beside: Beside = nothing,
    allow_change: Sequence[str] = (),
) -> Done:
    """Train in a run folder, or resume the run there; write the result last, and then call `beside`."""
    recipe = shared_votes(recipe, folder.path)
    try:
        session = open_run(recipe, say, aside=folder.path / "quarantine.jsonl")
    except DivergedItems as error:
        from truing.runs.diagnosis import noted  # nothing of it is needed while all numbers are finite

        raise noted(folder.path, error) from error
    say(session.rows.describe())
    crew, judged = crew_of(session), session.scores and bool(session.held_out)
    hooks = _measuring(crew) if judged else []
    if not isinstance(session, Session):
        session.log_sample, session.log_failure = folder.log_sample, folder.log_failure
        session.log_rubric = folder.log_rubric
    target = folder.path / "model"

    def write(finished: Finished) -> None:
        summary = crew("judge", finished.best_step or finished.step) if judged else None
        crew("assemble")
        write_result(session, target, {"step": finished.step})
        beside(session)
        if summary:
            folder.write_facts(REWARD, summary.as_json())
            said = "held out: {found}; more in {path}"
            say(message(said, found=summary.headline(), path=folder.path / REWARD))

    title, total = recipe.method.upper(), session.plan.total
    with tracked(recipe, folder, say) as trackers, watch(title, total) as line:
        hooks += [trackers.log, line.step]
        how = {"say": say, "watch": hooks, "allow_change": allow_change, "alert": trackers.alert}
        finished = run(session, folder, **how, result=write, crew=crew)
    if not isinstance(session, Session):
        from truing.runs.rubrics import tell_flagged  # online runs alone have judges

        tell_flagged(folder.path / RUBRICS, say)
    say(message("{steps} steps; the result is in {path}", steps=finished.step, path=target))
    return Done(target, session.scores, bool(session.held_out))


def follow_recipe(recipe: Recipe) -> None:
    """Take part in the run of a recipe as one of its other ranks; return when rank 0 is done."""
    keep_freed_memory()
    crew_of(open_run(shared_votes(recipe, Path(recipe.output)))).follow()


def _measuring(crew: Crew) -> list[Hook]:
    """Return the hooks that measure a reward model on its held-out rows."""
    from truing.runs.held_out import held_out_logger  # brings the evaluation of reward models along

    def judge(step: int) -> "RewardSummary":
        with crew.signals.at_once(step):
            return crew("judge", step)

    return [held_out_logger(judge)]
