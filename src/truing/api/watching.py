"""Show the progress of a call: nothing in a script, a bar in a notebook, a callback on request."""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from truing.core.errors import ConfigError
from truing.core.messages import Say

log = logging.getLogger("truing")

OnStep = Callable[[int, Mapping[str, float]], object]  # the number of a step, from 1, and its metrics
ProgressOption = Literal["auto"] | bool | OnStep
SHOWN = ("loss", "reward", "rewards/margins", "kl", "eval/loss", "eval/reward")  # beside a bar


class WatchLine(Protocol):
    """One stage of work whose progress is shown."""

    def update(self, done: int) -> None: ...

    def step(self, step: int, logs: dict[str, float]) -> None: ...


StageMaker = Callable[[str, int], AbstractContextManager[WatchLine]]  # of a title and a number of parts


@dataclass(frozen=True)
class Display:
    """The place of sentences, and the line of a stage of so many parts."""

    say: Say
    stage: StageMaker


class Stages:
    """One stage after the other, for work that names its stages as it goes; `with` closes the last."""

    def __init__(self, stage: StageMaker) -> None:
        self.stage = stage
        self.named: tuple[str, int] | None = None
        self.line: WatchLine | None = None
        self.open = ExitStack()

    def __call__(self, title: str, done: int, total: int) -> None:
        """Show `done` of `total` parts; a new title or total closes the stage before."""
        if self.line is None or self.named != (title, total):
            self.open.close()
            self.named, self.line = (title, total), self.open.enter_context(self.stage(title, total))
        self.line.update(done)

    def __enter__(self) -> "Stages":
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """End the stage that is open; the next call opens another."""
        self.open.close()
        self.named = self.line = None


@dataclass
class _Quiet:
    """A stage without a display; its steps go to a callback, if there is one."""

    on_step: OnStep | None = None

    def update(self, done: int) -> None:
        pass

    def step(self, step: int, logs: dict[str, float]) -> None:
        if self.on_step is not None:
            self.on_step(step, dict(logs))


class _Bar:
    """A stage as a bar, which a notebook draws as a widget."""

    def __init__(self, title: str, total: int) -> None:
        from tqdm.auto import tqdm

        self.bar: Any = tqdm(total=total, desc=title)

    def update(self, done: int) -> None:
        self.bar.update(done - self.bar.n)

    def step(self, step: int, logs: dict[str, float]) -> None:
        shown = {name: f"{logs[name]:.3g}" for name in SHOWN if name in logs}
        self.bar.set_postfix(shown, refresh=False)
        self.update(step)


def display_of(progress: ProgressOption) -> Display:
    """Return the display that `progress` asks for.

    "auto" draws bars in a notebook and is quiet elsewhere; True draws them anywhere, False nowhere. A
    function is called with the number and the metrics of every step. Sentences go to the logger `truing`,
    and beside bars to stderr. Raises ConfigError for anything else.
    """
    if callable(progress):
        return Display(log.info, lambda title, total: _silently(progress))
    if progress not in ("auto", True, False):
        raise ConfigError(
            f"progress is {progress!r}: expected 'auto', True, False or a function of a step and its metrics"
        )
    if progress is True or (progress == "auto" and in_notebook()):
        return Display(lambda line: print(line, file=sys.stderr), _bar)
    return Display(log.info, lambda title, total: _silently(None))


@contextmanager
def _silently(on_step: OnStep | None) -> Iterator[WatchLine]:
    yield _Quiet(on_step)


@contextmanager
def _bar(title: str, total: int) -> Iterator[WatchLine]:
    line = _Bar(title, total)
    try:
        yield line
    finally:
        line.bar.close()


def in_notebook() -> bool:
    """Tell whether this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and getattr(shell, "kernel", None) is not None
