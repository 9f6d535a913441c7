"""Train a run under the eyes of its health rules, and do what `care.py` decides about a finding.

    take_up: what earlier processes did, done again -> train_watched: the loop, and after a finding again

A rollback is two verbs of the run, `restore` and `set_rate`; the remedy is `displacement.hold`.
"""

from collections.abc import Callable, Sequence

import torch

from truing.config.run_folder import HEALTH, read_metrics
from truing.core import files
from truing.core.messages import message
from truing.runs.care import Standing, decide, is_held, rollbacks, slowed, still_true
from truing.runs.displacement import HELD, can_hold, drivers, hold, told
from truing.runs.progress import Progress
from truing.runs.session import Session
from truing.training.health import Finding, HealthHook, read_findings
from truing.training.hooks import Hook


def take_up(progress: Progress, *, changed: bool) -> None:
    """Do again what findings led to up to where the run stands, and drop from the log what is void."""
    said = read_findings(progress.folder.path)
    kept = still_true(said, progress.step, changed=changed)
    if kept != said:
        lines = b"".join(files.json_line(finding.row()) for finding in kept)
        files.write_atomic(progress.folder.path / HEALTH, lines)
    progress.set_rate(slowed(progress.session.own_rate, kept))
    if is_held(kept):
        _hold(progress)


def train_watched(
    progress: Progress,
    optimizer: torch.optim.Optimizer,
    hooks: Sequence[Hook],
    alert: Callable[[Finding], None] = lambda finding: None,
) -> None:
    """Train to the end; what was found on the way is acted on, and the loop goes on from there.

    `alert` tells a finding elsewhere.

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
            progress.session.train_steps(optimizer, progress.step, [*hooks, watch])
        if watch.acted is None:
            return
        _act(progress, watch.acted)


def _answered(progress: Progress, finding: Finding) -> Finding:
    """A finding with all that is known of it and its action, the run made ready for that."""
    displaced = _displaced(progress, finding)
    if displaced is not None:
        finding = finding.saying(*told(drivers(displaced, finding.step)))
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
    """The session whose preferred responses lose likelihood, if that is the finding."""
    session = progress.session
    if finding.rule == "likelihood_displacement" and isinstance(session, Session):
        return session
    return None


def _act(progress: Progress, finding: Finding) -> None:
    if finding.back_to is None:
        _hold(progress)
        held = "health: from step {step} on the loss has sft_weight: {weight}"
        progress.say(message(held, step=finding.step + 1, weight=HELD))
        return
    progress.restore(progress.path_of(finding.back_to))
    progress.forget_a_lost_best()
    progress.set_rate(slowed(progress.session.own_rate, read_findings(progress.folder.path)))
    back = "health: back at step {step}; the learning rate is now {rate:.3g}"
    progress.say(message(back, step=finding.back_to, rate=progress.session.learning_rate))


def _hold(progress: Progress) -> None:
    session = progress.session
    assert isinstance(session, Session), "only pairs are held"
    hold(session)
