"""What is done about the findings on a run: it goes on, stops, goes back, or gets a remedy.

    HealthHook -> Finding -> Care.answer: its action -> Turn -> Care: the loop is entered again

All of it follows from `health.jsonl` and the checkpoints, so a resumed run knows it too.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from truing.config.run_folder import HEALTH, RunFolder, read_metrics
from truing.core import files
from truing.core.messages import Say, message
from truing.models import checkpoint
from truing.runs.displacement import HELD, can_hold, drivers, hold, told
from truing.runs.session import Session
from truing.training.health import Finding, HealthHook, Turn, read_findings
from truing.training.health_rules import part
from truing.training.hooks import Hook

if TYPE_CHECKING:
    from truing.runs.progress import Progress

SLOWER = 0.5  # factor on the learning rate of every rollback


@dataclass
class Care:
    """Watches one run, and acts where its recipe says so."""

    progress: "Progress"
    folder: RunFolder
    say: Say
    alert: Callable[[Finding], None] = lambda finding: None  # tells a finding elsewhere
    rate: float = field(init=False)  # the recipe's learning rate

    def __post_init__(self) -> None:
        self.session, self.asked = self.progress.session, self.progress.session.recipe.health
        self.rate = self.session.learning_rate

    def begin(self, *, changed: bool) -> None:
        """Do again what was done up to here; what was done later, from where the run resumes, is void.

        Under a changed recipe so is what was said of later steps.
        """
        said = read_findings(self.folder.path)
        kept = [one for one in said if self._acted_at(one, changed) <= self.progress.step]
        if kept != said:
            lines = b"".join(files.json_line(finding.row()) for finding in kept)
            files.write_atomic(self.folder.path / HEALTH, lines)
        self._slow_down(sum(finding.action == "rollback" for finding in kept))
        if any(finding.action == "remedy" for finding in kept):
            assert isinstance(self.session, Session)
            hold(self.session)

    @staticmethod
    def _acted_at(finding: Finding, changed: bool) -> int:
        """The step of a checkpoint that a finding's action left behind; 0 where it left none."""
        if finding.back_to is not None:
            return finding.back_to
        return finding.step if changed or finding.action == "remedy" else 0

    def train(self, optimizer: torch.optim.Optimizer, hooks: Sequence[Hook]) -> None:
        """The loop, entered again after every finding that something was done about."""
        while True:
            rows, said = read_metrics(self.folder.path), read_findings(self.folder.path)
            watch = HealthHook(self.asked, self.folder.path, self.say, rows, said, self.answer, self.alert)
            try:
                if not self.progress.finish_pending([*hooks, watch]):
                    self.session.train_steps(optimizer, self.progress.step, [*hooks, watch])
                return
            except Turn as turn:
                self._follow(turn.finding)

    def answer(self, finding: Finding) -> Finding:
        """A finding with all that is known of it, and what is to be done."""
        if (session := self._displaced(finding)) is not None:
            finding = finding.saying(*told(drivers(session, finding.step)))
        if self.asked.action == "remedy":
            if session is None or not can_hold(session):
                return finding
            self.progress.save()  # the remedy begins here, also for a run that is resumed
            return replace(finding, action="remedy")
        if self.asked.action == "rollback":
            return self._rolled_back(finding)
        return replace(finding, action=self.asked.action)

    def _displaced(self, finding: Finding) -> Session | None:
        """The session whose preferred responses lose likelihood, if that is the finding."""
        if finding.rule == "likelihood_displacement" and isinstance(self.session, Session):
            return self.session
        return None

    def _rolled_back(self, finding: Finding) -> Finding:
        """Leave no checkpoint behind the newest from before the finding; stop where there is none."""
        tried = sum(one.action == "rollback" for one in read_findings(self.folder.path))
        steps = checkpoint.steps_in(self.folder.checkpoints)
        sound = [s for s in steps if s < finding.since and not checkpoint.problem_of(self._path(s))]
        if not sound or tried == self.asked.rollbacks:
            why = (
                part("; after {n} rollbacks", n=tried) if sound else part("; no checkpoint is from before it")
            )
            return replace(finding.saying(why), action="stop")
        for step in steps:
            if step > sound[-1]:
                shutil.rmtree(self._path(step))
        return replace(finding, action="rollback", back_to=sound[-1])

    def _path(self, step: int) -> Path:
        return self.folder.checkpoints / f"step-{step:06d}"

    def _follow(self, finding: Finding) -> None:
        if finding.back_to is None:
            assert isinstance(self.session, Session)
            hold(self.session)
            held = "health: from step {step} on the loss has sft_weight: {weight}"
            self.say(message(held, step=finding.step + 1, weight=HELD))
            return
        self.progress.restore(self._path(finding.back_to))
        evaluation = self.progress.evaluation
        if evaluation.best_step is not None and not self._path(evaluation.best_step).exists():
            evaluation.forget()
            evaluation.without_progress = 0
        self._slow_down(sum(one.action == "rollback" for one in read_findings(self.folder.path)))
        rate = self.session.learning_rate
        back = "health: back at step {step}; the learning rate is now {rate:.3g}"
        self.say(message(back, step=finding.back_to, rate=rate))

    def _slow_down(self, times: int) -> None:
        """The recipe's learning rate, halved so many times."""
        recipe = self.session.recipe
        optim = recipe.optim.model_copy(update={"learning_rate": self.rate * SLOWER**times})
        if times:
            self.session.recipe = recipe.model_copy(update={"optim": optim})
