"""Train a run watched by its health rules, and carry out the action that `care.py` decides for a finding.

    take_up: repeat the actions of earlier processes -> train_watched: the loop, once more after each action

A rollback is two calls on the run, `restore` and `set_rate`; the remedy is `displacement.hold`.
"""

from collections.abc import Callable, Sequence

from truing.config.run_folder import HEALTH, read_metrics
from truing.core import files
from truing.core.messages import message
from truing.runs.care import Standing, decide, is_held, rollbacks, slowed, still_true
from truing.runs.displacement import HELD, can_hold, told
from truing.runs.progress import Progress
from truing.runs.session import Session
from truing.training.health import Finding, HealthHook, read_findings
from truing.training.hooks import Hook
from truing.training.loop import run_steps


def take_up(progress: Progress, *, changed: bool) -> None:
    """Repeat the actions of findings up to the step of the run, and drop void findings from the log."""
    said = read_findings(progress.folder.path)
    kept = still_true(said, progress.step, changed=changed)
    if kept != said:
        lines = b"".join(files.json_line(finding.row()) for finding in kept)
        files.write_atomic(progress.folder.path / HEALTH, lines)
    progress.set_rate(slowed(progress.session.own_rate, kept))
    if is_held(kept):
        progress.crew("hold")


def train_watched(
    progress: Progress,
    hooks: Sequence[Hook],
    alert: Callable[[Finding], None] = lambda finding: None,
) -> None:
    """Train to the end; act on each finding on the way, and go on with the loop from there.

    `alert` sends a finding elsewhere, such as to a tracker.

    Raises Unhealthy where the recipe says that a finding ends the run.
    """
    while True:
        folder = progress.folder.path
        watch = HealthHook(
            progress.session.recipe.health,
            folder,
            progress.say,
            read_metrics(folder),
            read_findings(folder),
            lambda finding: _answered(progress, finding),
            alert,
        )
        if not progress.finish_pending([*hooks, watch]):
            run_steps(progress.session.plan, progress.learn, start=progress.step, hooks=[*hooks, watch])
        if watch.acted is None:
            return
        _act(progress, watch.acted)


def _answered(progress: Progress, finding: Finding) -> Finding:
    """Return a finding with its drivers and its action, and prepare the run for that action."""
    displaced = _displaced(progress, finding)
    if displaced is not None:
        finding = finding.saying(*told(progress.crew("drivers", finding.step)))
    asked = progress.session.recipe.health
    standing = Standing(
        rollbacks(read_findings(progress.folder.path)),
        progress.newest_sound(before=finding.since) if asked.action == "rollback" else None,
        displaced is not None and can_hold(displaced),
    )
    decided = decide(finding, asked, standing)
    if decided.action == "remedy":
        progress.save()  # the remedy begins here, also for a run that is resumed
    if decided.back_to is not None:
        progress.discard_after(decided.back_to)
    return decided


def _displaced(progress: Progress, finding: Finding) -> Session | None:
    """Return the session if the finding is that its preferred responses lose likelihood, else None."""
    session = progress.session
    if finding.rule == "likelihood_displacement" and isinstance(session, Session):
        return session
    return None


def _act(progress: Progress, finding: Finding) -> None:
    if finding.back_to is None:
        progress.crew("hold")
        held = "health: from step {step} on the loss has sft_weight: {weight}"
        progress.say(message(held, step=finding.step + 1, weight=HELD))
        return
    progress.restore(progress.path_of(finding.back_to))
    progress.forget_a_lost_best()
    progress.set_rate(slowed(progress.session.own_rate, read_findings(progress.folder.path)))
    back = "health: back at step {step}; the learning rate is now {rate:.3g}"
    progress.say(message(back, step=finding.back_to, rate=progress.session.learning_rate))
