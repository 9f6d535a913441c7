"""Ctrl-C and SIGTERM: one raises KeyboardInterrupt, the other its subclass Terminated.

    with terminable():            SIGTERM raises Terminated in the block
    except KeyboardInterrupt      either of the two; code that must let Ctrl-C out lets SIGTERM out too
    with unheard():               neither, while the end is written down that one of them has brought

A run of steps notes both instead, and ends after its step: `training/hooks.py`.
"""

import signal
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from truing.core.errors import Stopped
from truing.core.messages import Sentence, message

Handler = Callable[[int, FrameType | None], object]
BOTH = (signal.SIGINT, signal.SIGTERM)
STOPS = (Stopped, KeyboardInterrupt)  # the exceptions of work that goes on with the same command


class Terminated(KeyboardInterrupt):
    """SIGTERM."""


def interrupt(number: int, _frame: FrameType | None = None) -> NoReturn:
    """Raise Terminated for SIGTERM, KeyboardInterrupt for Ctrl-C; a handler of both."""
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


def signal_of(stop: BaseException | None) -> int:
    """Return the number of the signal behind an exception of `STOPS`: SIGINT where it does not say."""
    if isinstance(stop, Stopped):
        return stop.signal
    return signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT


def reason_of(stop: BaseException, step: int) -> Sentence | str:
    """Say what stopped a run that stood at a step; 0 is the start of the run."""
    return stop.message if isinstance(stop, Stopped) else stopped_by(signal_of(stop), step)


def stopped_by(number: int, step: int) -> Sentence:
    """Say that a signal stopped a run after a step."""
    name = signal.Signals(number).name
    if step == 0:
        return message("stopped by {name} before the first step", name=name)
    return message("stopped by {name} after step {step}", name=name, step=step)


@contextmanager
def handled(handler: Handler, numbers: Sequence[signal.Signals] = BOTH) -> Generator[None]:
    """Give signals a handler in the block. Outside the main thread, where none can be set, do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextmanager
def terminable() -> Generator[None]:
    """Raise Terminated in the block where SIGTERM would end the process without a word.

    A program that has a handler of its own, or ignores SIGTERM, keeps that.
    """
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    with handled(interrupt, [signal.SIGTERM]):
        yield


@contextmanager
def unheard() -> Generator[None]:
    """Drop Ctrl-C and SIGTERM in the block: a few short writes after one of them has ended the work."""
    with handled(lambda number, frame: None):
        yield
