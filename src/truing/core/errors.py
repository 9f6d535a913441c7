"""Every failure a user can meet, as one hierarchy: what was given, what was expected, what to do.

To add one, subclass the row whose exit code fits. The command line prints `str(error)` without a
traceback and leaves with `exit_code`; anything that is not a `TruingError` is our own bug.
"""

from typing import Any


class TruingError(Exception):
    """Base of all errors meant for users. `hint` says what to do next and is printed on its own line."""

    exit_code = 1
    code = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message  # a `Message`, where it is one, which can be told in another language
        self.hint = hint
        self.told = False  # whether another process of the same run tells it

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process with all that the error knows."""
        return _remade, (type(self), self.args, vars(self))


def _remade(kind: type[TruingError], args: tuple[Any, ...], known: dict[str, Any]) -> TruingError:
    error = kind.__new__(kind, *args)
    vars(error).update(known)
    return error


class UsageError(TruingError):
    """The command line asked for something that cannot be done."""

    exit_code = 2
    code = "usage"


class ConfigError(UsageError):
    """A recipe has an unknown key, a wrong type or a value that makes no sense."""

    code = "config"


class DataError(TruingError):
    """Rows cannot be read, recognised or used."""

    exit_code = 3
    code = "data"


class DivergedError(TruingError):
    """A loss, a gradient or a weight stopped being a finite number."""

    exit_code = 4
    code = "diverged"


class StorageError(TruingError):
    """A file or folder cannot be written, or is not what its manifest promises."""

    exit_code = 5
    code = "storage"


class RewardError(TruingError):
    """Too many responses of a batch could not be given a reward."""

    exit_code = 6
    code = "reward"


class GateError(TruingError):
    """A number of an evaluation misses its gate."""

    exit_code = 7
    code = "gate"


class MemoryShortError(TruingError):
    """One row alone is more than memory holds."""

    exit_code = 8
    code = "memory"


class ModelError(UsageError):
    """A model source does not hold what is needed: weights, a tokenizer, a chat template."""

    code = "model"


class Stopped(TruingError):
    """A person or the system asked the run to end; it can be resumed.

    `signal` is 0 where a file in the run's folder asked, as the page of runs writes it.
    """

    exit_code = 9
    code = "stopped"

    def __init__(self, message: str, *, signal: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.signal = signal
        if signal:
            self.exit_code = 128 + signal  # 130 for Ctrl-C, 143 for SIGTERM
