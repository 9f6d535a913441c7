"""A false answer made of a true one: changes chosen, made, and checked to mean something else.

passage = read_passage("2023年净利润为3.5亿元，同比增长12.5%。")
falsify(passage, changes=1, seed=0)      Negative(text, changes) or an Unmade reason
"""

import difflib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from truing.text.answers import normalised
from truing.text.negatives.passages import Alteration, Draw, Edit, Passage, edited, read_passage
from truing.text.negatives.quantities import Quantity
from truing.text.negatives.table import RULES
from truing.text.units import words


class Unmade(StrEnum):
    """The reason for which no false answer was made."""

    EMPTY = "empty"
    NOTHING = "nothing to change"
    TOO_FEW = "fewer places than changes asked for"
    SAME = "means the same"


@dataclass(frozen=True, slots=True)
class Negative:
    """A false answer and the changes that make it one."""

    text: str
    changes: tuple[Alteration, ...]

    @property
    def edits(self) -> tuple[Edit, ...]:
        return _edits(self.changes)


def falsify(
    passage: Passage,
    rules: Sequence[str] = tuple(RULES),
    changes: int | float = 1,
    draw: Draw | None = None,
) -> Negative | Unmade:
    """Make `changes` changes, or that share of all possible ones, at places that do not overlap.

    Rules take turns, so that the many numbers of a text do not crowd out its one hedge. The result depends on
    the passage, the seed, the rules and `changes`.
    """
    draw = draw or Draw()
    if not passage.text.strip():
        return Unmade.EMPTY
    proposed = [change for name in rules for change in RULES[name](passage, draw)]
    if not proposed:
        return Unmade.NOTHING
    ordered = _in_turns(passage, proposed, draw)
    wanted = changes if isinstance(changes, int) else max(1, math.ceil(changes * len(_apart(ordered))))
    chosen: list[Alteration] = []
    for change in ordered:
        longer = [*chosen, change]
        if len(chosen) < wanted and _apart(longer) == longer and is_false(passage, _edits(longer)):
            chosen = longer
    if not chosen:
        return Unmade.SAME
    if len(chosen) < wanted:
        return Unmade.TOO_FEW
    return Negative(edited(passage.text, _edits(chosen)), tuple(chosen))


def _edits(changes: Sequence[Alteration]) -> tuple[Edit, ...]:
    return tuple(edit for change in changes for edit in change.edits)


def _in_turns(passage: Passage, proposed: list[Alteration], draw: Draw) -> list[Alteration]:
    """Order changes by drawn turns of their rules."""
    drawn = {
        id(change): draw.at(passage, "turn", change.rule, change.edits[0].start).random()
        for change in proposed
    }
    by_rule: dict[str, list[Alteration]] = {}
    for change in sorted(proposed, key=lambda change: drawn[id(change)]):
        by_rule.setdefault(change.rule, []).append(change)
    first = {rule: draw.at(passage, "rule", rule).random() for rule in by_rule}
    turns = [
        (turn, first[rule], change) for rule, group in by_rule.items() for turn, change in enumerate(group)
    ]
    return [change for _, _, change in sorted(turns, key=lambda turn: turn[:2])]


def _apart(ordered: Sequence[Alteration]) -> list[Alteration]:
    """Keep each change that shares no place with one before it."""
    taken: list[Edit] = []
    kept: list[Alteration] = []
    for change in ordered:
        if all(
            edit.end <= other.start or other.end <= edit.start for edit in change.edits for other in taken
        ):
            kept.append(change)
            taken += change.edits
    return kept


def is_false(passage: Passage, edits: Sequence[Edit]) -> bool:
    """Tell whether edits change the meaning, and nothing but what they name.

    Every changed number must have another canonical value, and all numbers outside of the edits must read as
    before. Edits that write the same in another way, or make their neighbours read otherwise, are refused.
    """
    after = read_passage(edited(passage.text, edits))
    if normalised(after.text) == normalised(passage.text):
        return False
    before_inside, before_outside = _split(passage.quantities, [(edit.start, edit.end) for edit in edits])
    after_inside, after_outside = _split(after.quantities, _places(edits))
    if Counter(each.meaning_key for each in before_outside) != Counter(
        each.meaning_key for each in after_outside
    ):
        return False
    if not before_inside and not after_inside:
        return True
    if len(before_inside) != len(after_inside):
        return False
    return all(
        old.meaning_key != new.meaning_key for old, new in zip(before_inside, after_inside, strict=True)
    )


def _places(edits: Sequence[Edit]) -> list[tuple[int, int]]:
    """Return the spans of the edits in the edited text."""
    spans: list[tuple[int, int]] = []
    moved = 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        spans.append((edit.start + moved, edit.start + moved + len(edit.new)))
        moved += len(edit.new) - len(edit.old)
    return spans


def _split(
    quantities: Sequence[Quantity], spans: Sequence[tuple[int, int]]
) -> tuple[list[Quantity], list[Quantity]]:
    """Part quantities into those whose number, magnitude or unit is in one of the spans, and the others."""
    inside: list[Quantity] = []
    outside: list[Quantity] = []
    for quantity in quantities:
        parts = [(quantity.start, quantity.end), quantity.unit_span, quantity.scale_span]
        touched = any(
            part is not None and start < part[1] and part[0] < end for part in parts for start, end in spans
        )
        (inside if touched else outside).append(quantity)
    return inside, outside


def alike(one: str, other: str) -> float:
    """Return 2 x common words / all words of two texts, in order, from 0 to 1, as difflib matches them."""
    return difflib.SequenceMatcher(None, words(one), words(other), autojunk=False).ratio()
