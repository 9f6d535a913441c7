"""Say what is being done while it is done: `with doing("loading the weights"): …`.

Libraries call `doing`; a program that shows it to people says how with `show_with`. Nothing is shown
otherwise. With a `total`, what `doing` yields is told how much of it is done.
"""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager

Tick = Callable[[int], None]
Show = Callable[[str, int | None], AbstractContextManager[Tick]]


@contextmanager
def _silent(what: str, total: int | None) -> Generator[Tick]:
    yield lambda done: None


_show: list[Show] = [_silent]


def show_with(show: Show) -> None:
    """From now on `show` tells people what this process does."""
    _show[0] = show


def doing(what: str, total: int | None = None) -> AbstractContextManager[Tick]:
    """Shown while its block runs; of `total` things, those done are told to what it yields."""
    return _show[0](what, total)
