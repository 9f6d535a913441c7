"""The work between steps: evaluation, logs, checkpoints, and stops that signals ask for.

A hook is called with the step and its metrics after every optimiser step, in order; it may add metrics.
To stop the loop a hook raises.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from truing.core.errors import Stopped
from truing.core.messages import message
from truing.core.ranks import launched
from truing.core.signals import handled, interrupt, stopped_by

ASKED = 0  # in place of a signal's number: a file asked for the stop
Logs = dict[str, float]
Hook = Callable[[int, Logs], None]


class EarlyStop(Exception):
    """Raised by a hook when more training would not help; the loop ends as if it were done."""


@dataclass
class Evaluate:
    """Every `every` steps and at the end: measure, remember the best step, say when it no longer improves."""

    measure: Callable[[], Logs]
    every: int | None
    total: int
    patience: int | None = None
    aim: Callable[[Logs], float] = lambda logs: logs["loss"]  # what should become small
    best: float = math.inf
    best_step: int | None = None
    without_progress: int = 0
    cut_short: Callable[[int], AbstractContextManager[object]] = nullcontext  # of a step, around `measure`

    def __call__(self, step: int, logs: Logs) -> None:
        if step != self.total and (self.every is None or step % self.every):
            return
        with self.cut_short(step):
            found = self.measure()
        logs.update({f"eval/{name}": value for name, value in found.items()})
        if (reached := self.aim(found)) < self.best:
            self.best, self.best_step, self.without_progress = reached, step, 0
        else:
            self.without_progress += 1

    def forget(self) -> None:
        """Forget the best evaluation so far, since its weights are gone."""
        self.best, self.best_step = math.inf, None

    def due_to_stop(self) -> bool:
        return self.patience is not None and self.without_progress >= self.patience

    def state(self) -> dict[str, Any]:
        return {"best": self.best, "best_step": self.best_step, "without_progress": self.without_progress}

    def restore(self, state: dict[str, Any]) -> None:
        self.best, self.best_step = state["best"], state["best_step"]
        self.without_progress = state["without_progress"]


@dataclass
class Signals:
    """Turns Ctrl-C and SIGTERM into a stop at the end of the running step; a second one stops at once.

    Not so where several ranks were started together: their launcher passes on what they may have got already.
    A stop that a file in the run's folder asks for is one too, of the number ASKED.
    """

    received: int | None = None
    _at_once: bool = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        again, self.received = self.received is not None and launched().size == 1, number
        if again or self._at_once:
            interrupt(number, frame)

    @contextmanager
    def watching(self) -> Iterator["Signals"]:
        with handled(self._note):
            yield self

    @contextmanager
    def at_once(self, step: int) -> Iterator[None]:
        """Let a signal cut the block short: work after a step that is done again when the run goes on.

        Raises Stopped, also where a signal came before. Several ranks do such work to its end, together.
        """
        if launched().size > 1:
            yield
            return
        self.raise_if_received(step)
        self._at_once = True
        try:
            yield
        except KeyboardInterrupt:
            self.raise_if_received(step)
            raise
        finally:
            self._at_once = False

    def raise_if_received(self, step: int) -> None:
        if self.received is None:
            return
        said = message("stopped on request after step {step}", step=step)
        if self.received != ASKED:
            said = stopped_by(self.received, step)
        raise Stopped(said, signal=self.received, hint=message("the same command resumes here"))


@dataclass
class Pace:
    """Adds the cost of a step to its metrics: seconds and tokens per second."""

    tokens_of: Callable[[int], int]
    _since: float = field(default_factory=time.perf_counter)

    def __call__(self, step: int, logs: Logs) -> None:
        now = time.perf_counter()
        seconds, self._since = now - self._since, now
        tokens = self.tokens_of(step)
        logs.update(tokens=tokens, seconds=round(seconds, 3), tokens_per_second=round(tokens / seconds, 1))
