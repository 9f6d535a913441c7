"""Tables in two dimensions, whose cells are the darker the higher their number."""

from collections.abc import Sequence
from dataclasses import dataclass

TONES = 5  # from 0, pale, to this


@dataclass(frozen=True, slots=True)
class HeatCell:
    """A cell: its number, quieter lines below it, and its tone (None: no colour)."""

    text: str
    notes: Sequence[str] = ()
    tone: int | None = None


@dataclass(frozen=True, slots=True)
class HeatColumn:
    """A column with a quieter line below its name."""

    name: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class HeatRow:
    """A row; it has a cell for every column, or None where nothing was measured."""

    name: str
    cells: Sequence[HeatCell | None]


@dataclass(frozen=True, slots=True)
class HeatTable:
    """A table; `explains` is a sentence below the title. Raises ValueError for a row of another length."""

    title: str
    explains: str
    columns: Sequence[HeatColumn]
    rows: Sequence[HeatRow]

    def __post_init__(self) -> None:
        if bad := [row.name for row in self.rows if len(row.cells) != len(self.columns)]:
            raise ValueError(f"{self.title}: the rows {bad} do not have {len(self.columns)} cells")


def tone_of(share: float) -> int:
    """Return the tone of a share from 0 to 1."""
    return round(min(max(share, 0.0), 1.0) * TONES)
