"""A call of a user's own function, whatever that does: it raises, closes a stream, forks, returns odd things.

    returned = guarded(lambda: function(**arguments))     RaisedError, whose cause is what the function raised
    read_scores(returned, 8)                              eight entries: a number, None, or what is no number

Run both beside the main thread (`core.threads`): there an interrupt by the user is no exception of the
function. `standing_streams` encloses the wait for them. A function that ends the process itself, by
`os._exit` or in C code, cannot be held.
"""

import io
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Real
from typing import Any, TypeVar

_Result = TypeVar("_Result")
OUTPUTS = ("stdout", "stderr")
MOST = 60  # characters of a value in a message


class CallError(Exception):
    """A call gave no scores."""


class RaisedError(CallError):
    """A function raised an exception of any kind, which is the cause."""


class HungError(CallError):
    """A call took longer than it may."""


class NoScoresError(CallError):
    """A function returned no list of as many values as there are responses."""


def guarded(call: Callable[[], _Result]) -> _Result:
    """Return the result of `call`. Raises RaisedError for whatever it raises, `SystemExit` included.

    A child that it forks, and that returns like its parent, ends here.
    """
    own = os.getpid()
    try:
        return call()
    except CallError:
        raise
    except BaseException as error:  # not ours: it may raise anything
        raise RaisedError from error
    finally:
        if os.getpid() != own:
            os._exit(0)


@contextmanager
def standing_streams() -> Iterator[list[str]]:
    """Put standard output and standard error back where a call has closed them, and tell which it were."""
    before = {name: getattr(sys, name) for name in OUTPUTS}
    kept = {number: os.dup(number) for number in (1, 2) if _is_open(number)}
    closed: list[str] = []
    try:
        yield closed
    finally:
        for number, copy in kept.items():
            if not _is_open(number):
                os.dup2(copy, number)
                closed.append(OUTPUTS[number - 1])
            os.close(copy)
        for number, (name, stream) in enumerate(before.items(), 1):
            if stream is not None and stream.closed:
                closed += [] if name in closed else [name]
                raw = io.BufferedWriter(io.FileIO(number, "w", closefd=False))
                stream = io.TextIOWrapper(raw, stream.encoding, stream.errors, line_buffering=True)
            setattr(sys, name, stream)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def read_scores(returned: object, count: int) -> list[float | str | None]:
    """Return a finite number, None as it stands, or the words for anything else, for each response.

    Raises NoScoresError for what is no list of `count` values.
    """
    listed = _plain(returned)
    if not isinstance(listed, list | tuple):
        raise NoScoresError(f"returned {shown(listed)}, expected a list of {count} numbers")
    if len(listed) != count:
        raise NoScoresError(f"returned {len(listed)} values for {count} responses")
    return [_score(_plain(value)) for value in listed]


def _score(value: object) -> float | str | None:
    if value is None:
        return None
    if not isinstance(value, Real) or _is_time(value):
        return shown(value)
    try:
        number = float(value)
    except Exception:  # a number of the user's own, or one beyond all floats
        return shown(value)
    return number if math.isfinite(number) else shown(value)


def _plain(value: Any) -> object:
    """Turn tensors and arrays into lists and numbers; a date or duration stays, since it is no number."""
    tolist = None if _is_time(value) else getattr(value, "tolist", None)
    return tolist() if callable(tolist) else value


def _is_time(value: Any) -> bool:
    """Tell whether a value is a date or a duration of numpy, whose kind says so."""
    return getattr(getattr(value, "dtype", None), "kind", "") in ("m", "M")


def shown(value: object) -> str:
    """Return a value and its type in a few words."""
    try:
        text = repr(value)
    except Exception as error:  # such as an integer of 5000 digits
        text = f"a value that cannot be shown: {type(error).__name__}"
    return f"{text if len(text) <= MOST else text[: MOST - 3] + '...'} ({type(value).__name__})"
