"""An account of every row of a run's files: kept, cut, or set aside for a reason."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from truing.core.messages import Say, Sentence, message
from truing.core.records import Record
from truing.data.chat import Note
from truing.data.limits import CUT, Reason, Rendered
from truing.data.load import Loaded
from truing.data.stored import Stored
from truing.data.trees import Tree


@dataclass(frozen=True)
class Rows:
    """The rows of the files, and the trees made of these rows."""

    loaded: Loaded
    rendered: Rendered
    trees: Sequence[Tree]
    taught: int  # records the method can learn from, before length limits
    made: int = 0  # more records than rows, where pairs became two each
    masks: Mapping[str, int] = field(default_factory=dict)  # faults of the loss masks, by name
    in_evaluation: int = 0  # rows that are learnt from and stand in the evaluation too

    @property
    def read(self) -> int:
        return sum(source.read for source in self.loaded.sources)

    @property
    def turns(self) -> int:
        """Count the records that conversations trained turn by turn added."""
        return sum(self.rendered.made)

    @property
    def aside(self) -> dict[str, int]:
        """Count rows read or made but not trained on, by reason. Kept + set aside = read + made + turns."""
        counts: Counter[str] = Counter()
        for source in self.loaded.sources:
            counts += source.set_aside
        if unfit := sum(source.kept for source in self.loaded.sources) + self.made - self.taught:
            counts["unfit-for-method"] = unfit
        counts += self.rendered.aside
        assert len(self.trees) + sum(counts.values()) == self.read + self.made + self.turns
        return dict(counts)

    @property
    def summary(self) -> dict[str, Any]:
        worries = {name: n for name, n in self.masks.items() if n and name != "branches"}
        notes = {note.value: n for note in Note if (n := self.rendered.counts[note])}
        return {
            "read": self.read,
            "made": self.made + self.turns,
            "kept": len(self.trees),
            "set_aside": self.aside,
            "cut": {reason.value: n for reason in CUT if (n := self.rendered.counts[reason])},
            "in_evaluation": self.in_evaluation,
            "notes": notes | worries,
            "refused": [
                {"place": one.place, "code": one.reason, "words": one.words} for one in self.rendered.refused
            ],
        }

    def describe(self) -> Sentence:
        """Describe the rows in one line: `12 of 12 rows kept (6 read, 6 made of pairs), set aside: none`."""
        made = message(" ({read} read, {made} made of pairs)", read=self.read, made=self.made)
        if self.turns:
            made = message(
                " ({read} read, {made} made of turns)", read=self.read, made=self.turns + self.made
            )
        aside = ", ".join(f"{count} {reason}" for reason, count in self.aside.items())
        cut = "".join(f"; {count} {reason}" for reason in CUT if (count := self.rendered.counts[reason]))
        return message(
            "{kept} of {all} rows kept{made}, set aside: {aside}{cut}",
            kept=len(self.trees),
            all=self.read + self.made + self.turns,
            made=made if self.made or self.turns else "",
            aside=aside or message("none"),
            cut=cut,
        )

    @property
    def records(self) -> Sequence[Record]:
        """The records of the trees, in the order of the trees, each with its branches as responses."""
        return self.rendered.records

    @property
    def places(self) -> Sequence[str]:
        """The place of each tree's row, as `file:line`."""
        if isinstance(self.records, Stored):
            return self.records.rows.places
        return [record.place for record in self.records]

    @property
    def ids(self) -> np.ndarray:
        """The identity of each tree's row: its source and its number there, [trees, 2] int64."""
        if isinstance(self.records, Stored):
            return np.stack([self.records.numbers(name) for name in ("source", "number")], 1)
        return np.array([record.id for record in self.records], np.int64).reshape(-1, 2)


def say_cuts(rendered: Rendered, most: int, say: Say) -> None:
    """Say how many rows were cut to `most` tokens, and how long the longest row was."""
    parts = {
        Reason.PROMPT_CUT: message("the start of their prompt"),
        Reason.RESPONSE_CUT: message("the end of a response"),
    }
    for reason, part in parts.items():
        if n := rendered.counts[reason]:
            said = "{n} of {of} rows lose {part}: the longest has {long} tokens, and {most} are kept"
            say(message(said, n=n, of=len(rendered.trees), part=part, long=max(rendered.lengths), most=most))


Keys = Sequence[Hashable] | np.ndarray  # one for each row


def say_shared(rows: Rows, learnt: Keys, held_out: Keys, say: Say) -> Rows:
    """Count the training rows that the evaluation holds too, say how many, and return rows with the count.

    Two rows with equal keys are the same row. A key is made of prompt and responses, or of the prompt alone.
    """
    known = set(held_out)
    shared = sum(one in known for one in learnt) if known else 0
    if shared:
        said = (
            "{n} of {of} rows that are learnt from stand in the evaluation too, which will look better for it"
        )
        say(message(said, n=shared, of=len(learnt)))
    return replace(rows, in_evaluation=shared)
