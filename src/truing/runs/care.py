"""Decide the action for a finding on a run: warn, stop, go back, or hold the preferred responses.

    a finding, the recipe's `health`, the state of the run -> the finding with its action

Everything here is a pure function of `health.jsonl` and of the state of the run, so that a resumed run
decides as the unbroken one did. `watched.py` carries the action out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from truing.config.health import Health
from truing.training.health import Finding
from truing.training.health_rules import part

SLOWER = 0.5  # factor on the learning rate of every rollback


@dataclass(frozen=True)
class Standing:
    """The state of a run when a rule finds something."""

    rollbacks: int  # done so far
    sound: int | None  # step of the newest whole checkpoint from before the finding began
    can_hold: bool  # whether a likelihood term would help and can be switched on


def decide(finding: Finding, asked: Health, standing: Standing) -> Finding:
    """Return the finding with its action; of a rollback, also the step that the run goes back to."""
    if asked.action == "remedy":
        return replace(finding, action="remedy") if standing.can_hold else finding
    if asked.action != "rollback":
        return replace(finding, action=asked.action)
    if standing.sound is None:
        return replace(finding.saying(part("; no checkpoint is from before it")), action="stop")
    if standing.rollbacks == asked.rollbacks:
        return replace(finding.saying(part("; after {n} rollbacks", n=standing.rollbacks)), action="stop")
    return replace(finding, action="rollback", back_to=standing.sound)


def still_true(said: Sequence[Finding], step: int, *, changed: bool) -> list[Finding]:
    """Return the findings that still hold for a run that goes on from `step`.

    Actions taken later are void. Under a changed recipe, findings of later steps are void too.
    """
    return [one for one in said if _acted_at(one, changed) <= step]


def _acted_at(finding: Finding, changed: bool) -> int:
    """Return the step of the checkpoint that a finding's action left; 0 where it left none."""
    if finding.back_to is not None:
        return finding.back_to
    return finding.step if changed or finding.action == "remedy" else 0


def rollbacks(said: Iterable[Finding]) -> int:
    """Count the rollbacks."""
    return sum(one.action == "rollback" for one in said)


def slowed(rate: float, said: Iterable[Finding]) -> float:
    """Return the learning rate after these findings: each rollback halves it."""
    return rate * SLOWER ** rollbacks(said)


def is_held(said: Iterable[Finding]) -> bool:
    """Tell whether the remedy is at work after these findings."""
    return any(one.action == "remedy" for one in said)
