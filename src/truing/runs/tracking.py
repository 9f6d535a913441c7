"""Send a run's numbers to the trackers of its recipe, which never hold up or end the training.

    recipe.track -> tracked(): Tracking -> Tracking.log: a hook; Tracking.alert: what health rules see

Each tracker's name for the run is kept in `trackers.json` of the run folder, so that a resumed run stays the
same run there. The user is told once of a tracker that fails. Rows it has not taken are offered again a
minute later, in order, and rows left at the end are told too. `metrics.jsonl` has every row in any case.
"""

import json
import math
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from truing.config.recipe import Recipe
from truing.config.run_folder import TRACKERS, RunFolder
from truing.core.errors import UsageError
from truing.core.messages import Say, message
from truing.core.signals import STOPS
from truing.runs.trackers import KINDS, Named, TrackerKind, require_trackers
from truing.training.health import Finding
from truing.training.hooks import Logs

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

PROJECT = "truing"
PAUSE = 60.0  # seconds before a tracker that failed is asked again


def _failure(call: Callable[[], object]) -> Exception | None:
    """Call, and return any exception: a fault of a network, a disk or a package must not end training."""
    try:
        call()
    except Exception as error:
        return error
    return None


@dataclass
class Line:
    """One tracker, and the rows it has not taken yet."""

    name: str
    kind: TrackerKind
    tracker: "GeneralTracker"
    say: Say
    newest: float  # the last step it was told of; infinite for a run that goes on, until its first step
    waiting: deque[Callable[[], None]] = field(default_factory=deque)
    not_before: float = 0.0
    told: bool = False

    def log(self, step: int, logs: Logs) -> None:
        again, self.newest = step <= self.newest, step
        self._give(partial(self.kind.log, self.tracker, step, logs, again))

    def alert(self, finding: Finding) -> None:
        if self.kind.alert is not None:
            self._give(partial(self.kind.alert, self.tracker, finding))

    def _give(self, call: Callable[[], None]) -> None:
        self.waiting.append(call)
        if time.monotonic() >= self.not_before:
            self._catch_up()

    def _catch_up(self) -> None:
        while self.waiting:
            error = _failure(self.waiting[0])
            if error is None:
                self.waiting.popleft()
                continue
            self.not_before = time.monotonic() + PAUSE
            if not self.told:
                self.told = True
                said = "{name} does not take the metrics: {error}; training goes on, and it is asked again"
                self.say(message(said, name=self.name, error=f"{type(error).__name__}: {error}"))
            return

    def close(self, failed: bool) -> None:
        self._catch_up()
        if self.waiting:
            lost = "{name} has not taken {n} of the run's messages; metrics.jsonl has all"
            self.say(message(lost, name=self.name, n=len(self.waiting)))
        if error := _failure(partial(self.kind.finish, self.tracker, failed)):
            ended = "{name} could not be closed: {error}"
            self.say(message(ended, name=self.name, error=f"{type(error).__name__}: {error}"))


@dataclass(frozen=True)
class Tracking:
    """All trackers of a run."""

    lines: list[Line]

    def log(self, step: int, logs: Logs) -> None:
        """Send one step's metrics, as a hook; leave out values that are not finite, null in the log."""
        known: Logs = {
            name: one for name, one in logs.items() if not isinstance(one, float) or math.isfinite(one)
        }
        for line in self.lines:
            line.log(step, known)

    def alert(self, finding: Finding) -> None:
        """Send a health finding to the trackers that have alerts."""
        for line in self.lines:
            line.alert(finding)


@contextmanager
def tracked(recipe: Recipe, folder: RunFolder, say: Say) -> Iterator[Tracking]:
    """Open the trackers of a recipe, and close them however training ends.

    Raises ConfigError where a package is not installed, UsageError where a tracker does not start.
    """
    names = tuple(dict.fromkeys(recipe.track.to))
    require_trackers(names)
    lines: list[Line] = []
    failed = True
    try:
        if names:
            _open(names, recipe, folder, say, lines)
        yield Tracking(lines)
        failed = False
    except STOPS:  # it is to go on
        failed = False
        raise
    finally:
        for line in lines:
            line.close(failed)


def _opened(name: str, named: Named) -> "GeneralTracker":
    try:
        return KINDS[name].open(named)
    except Exception as error:  # of the network, an account, a server: the package says which
        raise UsageError(
            message("track: {name} does not start: {error}", name=name, error=error),
            hint=message("leave it out of `track`, or see docs/trackers.md for what it needs"),
        ) from error


def _open(names: tuple[str, ...], recipe: Recipe, folder: RunFolder, say: Say, lines: list[Line]) -> None:
    from accelerate import PartialState

    PartialState()  # Accelerate's trackers ask it which process they are in
    path = folder.path / TRACKERS
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    token = kept.get("token") or secrets.token_hex(4)
    known: dict[str, str] = kept.get("runs", {})
    run_name = recipe.track.name or folder.path.resolve().name
    config = recipe.recorded()
    for name in names:
        kind = KINDS[name]
        project = recipe.track.project or os.environ.get(kind.variable) or PROJECT
        named = Named(project, run_name, token, folder.path, config, known.get(name))
        tracker = _opened(name, named)
        lines.append(Line(name, kind, tracker, say, 0 if named.known is None else math.inf))
        known[name] = kind.identity(tracker)
        folder.write_facts(TRACKERS, {"token": token, "runs": known})
        said = "tracked by {name} as {run} in project {project}"
        say(message(said, name=name, run=run_name, project=project))
