"""The display of a running verb: one live line per stage on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rich.cells import cell_len
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from truing.cli.language import here
from truing.config.names import SMALL_MODEL as SMALL_MODEL
from truing.core.doing import Tick
from truing.core.errors import TruingError
from truing.core.memory import peak_bytes
from truing.core.messages import message
from truing.core.secrets import hidden
from truing.text.shown import plain

IMPORTING = "importing torch and transformers"

# emoji=False: rich would turn the `:100:` of "pairs.jsonl:100: …" into a picture.
console = Console(highlight=False, emoji=False)
error_console = Console(stderr=True, highlight=False, emoji=False)


def shown(line: str) -> str:
    """Return a line in the language of this terminal, without secrets and without a terminal's controls."""
    return plain(hidden(here(line)))


def say(line: str) -> None:
    """Print a line for people in their language, to stderr so that `--json` and pipes stay clean."""
    error_console.print(shown(line), markup=False, soft_wrap=True)


def say_whole(line: str) -> None:
    """Print a line that shall hold a secret: the address which lets the owner of a page in."""
    error_console.print(plain(here(line)), markup=False, soft_wrap=True)


def tell_error(error: TruingError) -> None:
    """Print an error, in red where there is colour, and its hint below."""
    line = f"{error.code}: {shown(error.message)}"
    error_console.print(line, style="red", markup=False, soft_wrap=True)
    if error.hint:
        say(f"  → {shown(error.hint)}")


def padded(text: str, width: int) -> str:
    """Pad `text` with spaces to `width` columns of the terminal; a Chinese character takes two columns."""
    return text + " " * max(0, width - cell_len(text))


def memory() -> str:
    """Return the most memory that this process has held so far."""
    return f"{peak_bytes() / 1e9:.1f} GB"


_live: list[Progress] = []  # displays of the terminal, the innermost last; only one is drawn


@contextmanager
def _drawn(progress: Progress) -> Iterator[None]:
    """Show `progress` in place of the earlier display, which returns afterwards."""
    if _live:
        _live[-1].stop()
    _live.append(progress)
    progress.start()
    try:
        yield
    finally:
        progress.stop()
        _live.pop()
        if _live:
            _live[-1].start()


@contextmanager
def show_doing(what: str, total: int | None) -> Iterator[Tick]:
    """Show `doing`: on a terminal a live line, which goes when the work is done; elsewhere plain lines.

    Elsewhere, counted work gets a line after one second and then every ten seconds.
    """
    what = shown(what)
    if not error_console.is_terminal:
        if total is None:
            say(f"{what} …")
        yield _told_now_and_then(what, total)
        return
    columns: list[ProgressColumn] = [SpinnerColumn(), TextColumn("{task.description}", markup=False)]
    if total is not None:
        columns += [
            BarColumn(bar_width=24),
            TextColumn("{task.completed}/{task.total}"),
            TimeRemainingColumn(),
        ]
    bar = Progress(*columns, console=error_console, transient=True, redirect_stdout=False)
    task, last = bar.add_task(f"{what} …", total=total), 0.0

    def tick(done: int) -> None:
        nonlocal last
        if (now := time.perf_counter()) - last > 0.1:  # drawn no oftener: rows come by the hundred thousand
            last = now
            bar.update(task, completed=done)

    with _drawn(bar):
        yield tick


def _told_now_and_then(what: str, total: int | None) -> Tick:
    due = time.perf_counter() + 1.0

    def tick(done: int) -> None:
        nonlocal due
        if (now := time.perf_counter()) >= due:
            due = now + 10.0
            say(f"{what}: {done}/{total}")

    return tick


class StageLine:
    """One stage of work: a bar with ETA on a terminal, a line every few seconds elsewhere."""

    def __init__(self, title: str, total: int, *, done: int = 0, every: float = 10.0) -> None:
        self.title, self.total, self.done, self.every = here(title), total, done, every
        self._paced: tuple[float, int] | None = None  # time and size of the first finished part
        self._last = self._start = time.perf_counter()
        self._bar: Progress | None = None
        self._drawn = ExitStack()
        self._task: TaskID | None = None
        if error_console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.completed}/{task.total}"),
                TimeElapsedColumn(),
                TextColumn(here("ETA")),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=error_console,
            )
            self._drawn.enter_context(_drawn(self._bar))
            self._task = self._bar.add_task(self.title, total=total, completed=done, note="")

    def update(self, done: int, note: str = "") -> None:
        self.done = done
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, note=note)
            return
        now = time.perf_counter()
        self._paced = self._paced or (now, done)
        if now - self._last >= self.every or done == self.total:
            self._last = now
            taken = here(message("{seconds} s", seconds=f"{now - self._start:.0f}"))
            so_far = f"{self.title}: {done}/{self.total}  {taken}{self._left(now)}"
            say(f"{so_far}  {note}".rstrip())

    def _left(self, now: float) -> str:
        """Say the seconds left, at the pace since the first part, whose own time includes the start."""
        begun, first = self._paced or (now, self.done)
        if self.done <= first or self.done >= self.total:
            return ""
        seconds = (now - begun) * (self.total - self.done) / (self.done - first)
        return here(message(", ETA {seconds:.0f} s", seconds=seconds))

    def step(self, step: int, logs: dict[str, float]) -> None:
        """Show a step; a hook of training."""
        names = {
            "reward": "reward",
            "kl": "KL",
            "completions/mean_length": "length",
            "loss": "loss",
            "rewards/margins": "margin",
            "rewards/accuracies": "accuracy",
            "margin": "margin",
            "accuracy": "accuracy",
            "eval/loss": "eval",
            "eval/reward": "eval reward",
        }
        parts = [f"{here(short)} {logs[name]:.3g}" for name, short in names.items() if name in logs]
        if "tokens_per_second" in logs:
            parts.append(here(message("{n:.0f} tokens/s", n=logs["tokens_per_second"])))
        self.update(step, "  ".join([*parts, memory()]))

    def close(self) -> None:
        self._drawn.close()


@contextmanager
def stage(title: str, total: int, *, done: int = 0) -> Iterator[StageLine]:
    """Open a `StageLine`, and close it however the stage ends."""
    line = StageLine(title, total, done=done)
    try:
        yield line
    finally:
        line.close()


def next_step(command: str, why: str) -> None:
    """Print the next command; every verb ends with it."""
    say(f"\n{here('next')}: {command}\n      {here(why)}")
