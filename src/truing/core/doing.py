"""Say what is being done while it is done: `with doing("loading the weights"): …`.

Libraries call `doing`. A program that shows it to people installs its display with `show_with`; without one
nothing is shown. With a `total`, the block calls what `doing` yields with the number of things done.
"""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager

Tick = Callable[[int], None]
Show = Callable[[str, int | None], AbstractContextManager[Tick]]


@contextmanager
def silent(what: str, total: int | None) -> Generator[Tick]:
    """Show nothing."""
    yield lambda done: None


_show: list[Show] = [silent]


def show_with(show: Show) -> None:
    """Install `show` as the display that tells people what this process does."""
    _show[0] = show


def doing(what: str, total: int | None = None) -> AbstractContextManager[Tick]:
    """Show `what` while the block runs; the block tells the yielded function how many of `total` are done."""
    return _show[0](what, total)
