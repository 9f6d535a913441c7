"""From files to trees: what a run trains on, evaluates on and retains, with every row accounted for."""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from truing.config.recipe import Recipe
from truing.core.doing import doing
from truing.core.errors import DataError
from truing.core.messages import Message, message
from truing.core.records import Record
from truing.data.chat import Note, Renderer
from truing.data.differing import only_differing
from truing.data.limits import CUT, Reason, Rendered, render_all, require_most, require_written
from truing.data.load import Loaded, load_records
from truing.data.trees import Tree
from truing.methods.notes import mask_counts, notes_on
from truing.methods.offline import Chosen, choose
from truing.objectives.shapes import UNPAIRED, unpaired

Say = Callable[[str], None]


@dataclass(frozen=True)
class Rows:
    """What the files held, and the trees made of it."""

    loaded: Loaded
    rendered: Rendered
    trees: list[Tree]
    taught: int  # records the method can learn from, before length limits
    made: int = 0  # more records than rows, where pairs became two each
    masks: Mapping[str, int] = field(default_factory=dict)  # what to worry about in what is scored, by name
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
        """Rows read or made but not trained on, by reason. Kept + set aside = read + made + turns."""
        counts: Counter[str] = Counter()
        for source in self.loaded.sources:
            counts += source.set_aside
        if unfit := len(self.loaded.records) + self.made - self.taught:
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

    def describe(self) -> Message:
        """One line for people: `12 of 12 rows kept (6 read, 6 made of pairs), set aside: none`."""
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

    def places_of(self, trees: Sequence[Tree]) -> list[str]:
        """Where the rows of some of these trees stand, as `file:line`."""
        return [record.place for record in self.records_of(trees)]

    def records_of(self, trees: Sequence[Tree]) -> list[Record]:
        """What some of these trees were made of, each with the responses that are its branches."""
        known = {id(tree): record for tree, record in zip(self.trees, self.rendered.records, strict=True)}
        return [known[id(tree)] for tree in trees]


def read_rows(
    paths: Sequence[str],
    recipe: Recipe,
    chosen: Chosen,
    renderer: Renderer,
    say: Say,
    aside: Path | None = None,
) -> Rows:
    """Load, select and render. Raises DataError when nothing is left to train on."""
    data = recipe.data
    with doing(message("reading {path}", path=", ".join(paths))):
        loaded = load_records(paths, format=data.format, bad_rows=data.bad_rows, quarantine=aside)
    for source in loaded.sources:
        say(source.describe())
    records = loaded.records
    if data.unpair:
        records = [part for record in records for part in unpaired(record)]
    shape = chosen.shape
    taught = [part for record in records if (part := shape.teaches(record)) is not None]
    if not taught:
        kinds = sorted({record.kind.value for record in records})
        said = "{paths}: {loss} ({method}) needs {wants}, these rows are {kinds}"
        names = {"paths": ", ".join(paths), "loss": chosen.name, "method": chosen.method.name}
        raise DataError(
            message(said, **names, wants=message(shape.wants), kinds=", ".join(kinds)),
            hint=message("see which methods fit with `truing data show`"),
        )
    rendered = render_all(taught, renderer, data.max_tokens, data.truncation)
    where = ", ".join(paths)
    require_written(where, rendered, all_of_them=data.bad_rows == "skip")
    say_cuts(rendered, data.max_tokens, say)
    if data.bad_rows == "stop":
        require_most(where, rendered, data.max_tokens)
    if not rendered.trees:
        said = "{paths}: none of {n} rows can be used with data.max_tokens = {most}: {counts}"
        counts = ", ".join(f"{count} {code}" for code, count in rendered.aside.items())
        raise DataError(
            message(said, paths=where, n=len(taught), counts=counts, most=data.max_tokens),
            hint=message("raise data.max_tokens or set data.truncation: prompt-left"),
        )
    trees = list(map(shape.labelled, rendered.trees, rendered.records))
    if data.tokens == "differing":
        trees = [only_differing(tree) for tree in trees]
    masks = mask_counts(trees, renderer, everything=data.tokens == "all")
    for note in notes_on(rendered, renderer, masks):
        say(note)
    return Rows(loaded, rendered, trees, len(taught), len(records) - len(loaded.records), masks)


def say_cuts(rendered: Rendered, most: int, say: Say) -> None:
    """Tell how many rows lost a part to `most` tokens, and how long the longest was."""
    parts = {
        Reason.PROMPT_CUT: message("the start of their prompt"),
        Reason.RESPONSE_CUT: message("the end of a response"),
    }
    for reason, part in parts.items():
        if n := rendered.counts[reason]:
            said = "{n} of {of} rows lose {part}: the longest has {long} tokens, and {most} are kept"
            say(message(said, n=n, of=len(rendered.trees), part=part, long=max(rendered.lengths), most=most))


def say_shared(rows: Rows, learnt: Sequence[Hashable], held_out: Sequence[Hashable], say: Say) -> Rows:
    """The rows, with the number of those learnt from that the evaluation holds too, which is told.

    The other arguments are what makes two rows the same: prompt and responses, or the prompt alone.
    """
    known = set(held_out)
    shared = sum(one in known for one in learnt)
    if shared:
        said = (
            "{n} of {of} rows that are learnt from stand in the evaluation too, which will look better for it"
        )
        say(message(said, n=shared, of=len(learnt)))
    return replace(rows, in_evaluation=shared)


@dataclass(frozen=True)
class Parted:
    """Rows as a run uses them."""

    rows: Rows
    learnt: list[Tree]
    held_out: list[Tree]
    held_out_records: list[Record]  # what they were made of


def part(rows: Rows, evaluated: Rows | None, recipe: Recipe, say: Say) -> Parted:
    """Part what is learnt from what is evaluated: the rows of `evaluated`, else a share of `rows`."""
    learnt, held_out = rows.trees, (evaluated or rows).trees
    if evaluated is None:
        ids = [record.id for record in rows.rendered.records]
        learnt, held_out = split_off(rows.trees, ids, recipe.data.eval_fraction, recipe.seed)
    records = (evaluated or rows).records_of(held_out)
    told = say_shared(rows, _turns_of(rows.records_of(learnt)), _turns_of(records), say)
    return Parted(told, learnt, held_out, records)


def _turns_of(records: Sequence[Record]) -> list[tuple]:
    """Return the turns of a row, by which it is the same as another."""
    return [(record.prompt, *(response.turns for response in record.responses)) for record in records]


def require_classes(trees: Sequence[Tree], recipe: Recipe, chosen: Chosen) -> None:
    """Raises DataError where labelled rows are of one class, unless data.one_class says that they may be."""
    labels = {tree.labels[0] > 0.5 for tree in trees} if chosen.shape is UNPAIRED else set()
    if len(labels) != 1 or recipe.data.one_class:
        return
    label = str(labels.pop()).lower()
    raise DataError(
        message(
            "all {n} rows have the label {label}: nothing tells good from bad", n=len(trees), label=label
        ),
        hint=message("add rows of the other class, or say data.one_class: true to go on without"),
    )


def read_retained(recipe: Recipe, renderer: Renderer, say: Say) -> Rows | None:
    """The rows of `data.retain`: one response each, as supervised fine-tuning reads them."""
    if not recipe.data.retain:
        return None
    return read_rows(recipe.data.retain, recipe, choose("sft", None, {}), renderer, say)


def split_off(
    trees: Sequence[Tree], rows: Sequence[Hashable], share: float, seed: int
) -> tuple[list[Tree], list[Tree]]:
    """Keep a share of the rows, drawn by seed, for evaluation.

    `rows` names the row of each tree; trees of one row stay together.
    """
    drawn = list(dict.fromkeys(rows))
    held = max(1, round(len(drawn) * share)) if share else 0
    if held >= len(drawn):
        raise DataError(f"data.eval_fraction {share} of {len(drawn)} rows leaves none to train on")
    order = np.random.Generator(np.random.Philox(key=[seed, 2**32])).permutation(len(drawn))
    out = {drawn[i] for i in order[:held]}
    sides: tuple[list[Tree], list[Tree]] = ([], [])
    for tree, row in zip(trees, rows, strict=True):
        sides[row in out].append(tree)
    return sides
