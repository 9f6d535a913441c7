"""Numbers of a project as a page shows them: figures, and tables whose values have intervals."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from truing.store.project import ProjectStore


@dataclass(frozen=True, slots=True)
class NumberCell:
    """A value in words, with its interval in words and as numbers on the table's scale."""

    text: str
    interval: str = ""
    low: float | None = None
    middle: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class NumberTable:
    """A table. The first cell of a row names it; cells with numbers are drawn on one scale, `least` to `most`."""

    title: str
    explains: str
    columns: tuple[str, ...]
    rows: tuple[tuple[NumberCell, ...], ...]
    least: float = 0.0
    most: float = 1.0

    def as_row(self) -> dict[str, Any]:
        return asdict(self)


Numbers = Callable[[ProjectStore], Sequence[NumberTable]]
