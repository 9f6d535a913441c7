"""The work between steps: evaluation, logs, checkpoints, and stops that signals ask for.

A hook is called with the step and its metrics after every optimiser step, in order; it may add metrics.
To stop the loop a hook raises.
"""

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from truing.core.errors import Stopped
from truing.core.messages import message
from truing.core.ranks import launched

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

    def __call__(self, step: int, logs: Logs) -> None:
        if step != self.total and (self.every is None or step % self.every):
            return
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
    _before: dict[int, Any] = field(default_factory=dict)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.received is not None and launched().size == 1:
            raise KeyboardInterrupt
        self.received = number

    @contextmanager
    def watching(self) -> Iterator["Signals"]:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)
        try:
            yield self
        finally:
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def raise_if_received(self, step: int) -> None:
        if self.received is None:
            return
        said = message("stopped on request after step {step}", step=step)
        if self.received != ASKED:
            name = signal.Signals(self.received).name
            said = message("stopped by {name} after step {step}", name=name, step=step)
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
