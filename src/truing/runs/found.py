"""Records that ranks exchange where they look for the cause of a number that is not finite."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Search:
    """The question that rank 0 puts to all ranks."""

    order: str  # the order in which a number was not finite; "" for a checkpoint
    step: int
    backward: bool  # whether it was a gradient
    items: Sequence[int]  # those that the error names, done first
    updates: int
    saved: Path | None  # the newest checkpoint


@dataclass(frozen=True)
class RowFinding:
    """A row of the step, done alone."""

    row: str  # file:line
    item: int
    tokens: Sequence[int]  # of each path: the prompt with one response
    ids: Sequence[Sequence[int]]  # the same as token ids
    alone: str  # what is not finite, empty where all is
    given: Sequence[str] = ()  # numbers that the row brings to the loss and that are not finite


@dataclass(frozen=True)
class RankFinding:
    """The findings of one rank."""

    rank: int
    place: Mapping[str, str] = field(default_factory=dict)  # its device and number format
    rows: Sequence[RowFinding] = ()
    first: str = ""  # the first parameter, module or gradient that is not finite
    parameters: Sequence[str] = ()  # trained, not finite
    frozen: Sequence[str] = ()
    largest: tuple[str, float] = ("", 0.0)  # of the trained parameters: the one with the largest entry
    earlier: Sequence[tuple[int, Sequence[str]]] = ()  # steps, and the rows that are not finite there either
    whole: bool = True

    def facts(self) -> dict[str, Any]:
        """Return all of it but the token ids, for people."""
        rows = [{name: value for name, value in vars(row).items() if name != "ids"} for row in self.rows]
        earlier = [{"step": step, "rows": bad} for step, bad in self.earlier]
        known = {name: value for name, value in vars(self).items() if name != "place"}
        return {**known, **self.place, "rows": rows, "earlier": earlier}
