"""From files to trees: the rows that a run trains on, evaluates on and retains, all accounted for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from truing.config.recipe import Recipe
from truing.core.doing import doing
from truing.core.errors import DataError
from truing.core.messages import Say, message
from truing.core.records import Record
from truing.core.streams import Stream, generator
from truing.data.chat import Renderer
from truing.data.kept import Keys, Rows, say_cuts, say_shared
from truing.data.limits import require_most, require_written
from truing.data.load import Loaded, load_records
from truing.data.notes import notes_on
from truing.data.stored import Stored, first_labels, pick, turns_key
from truing.data.trees import Tree
from truing.methods.offline import Chosen, choose
from truing.objectives.shapes import UNPAIRED
from truing.runs.stored import are_large, read_stored
from truing.runs.taught import Taught, teach


def read_rows(
    paths: Sequence[str],
    recipe: Recipe,
    chosen: Chosen,
    renderer: Renderer,
    say: Say,
    aside: Path | None = None,
) -> Rows:
    """Load, select and render. Raises DataError when nothing is left to train on."""
    if are_large(paths):
        loaded, found = read_stored(paths, recipe, chosen, renderer, say, aside)
    else:
        loaded, found = _read(paths, recipe, chosen, renderer, say, aside)
    where, data, rendered = ", ".join(paths), recipe.data, found.rendered
    if not found.taught:
        said = "{paths}: {loss} ({method}) needs {wants}, these rows are {kinds}"
        names = {"paths": where, "loss": chosen.name, "method": chosen.method.name}
        raise DataError(
            message(said, **names, wants=message(chosen.shape.wants), kinds=", ".join(sorted(found.kinds))),
            hint=message("see which methods fit with `truing data show`"),
        )
    require_written(where, rendered, all_of_them=data.bad_rows == "skip")
    say_cuts(rendered, data.max_tokens, say)
    if data.bad_rows == "stop":
        require_most(where, rendered, data.max_tokens)
    if not len(rendered.trees):
        said = "{paths}: none of {n} rows can be used with data.max_tokens = {most}: {counts}"
        counts = ", ".join(f"{count} {code}" for code, count in rendered.aside.items())
        raise DataError(
            message(said, paths=where, n=found.taught, counts=counts, most=data.max_tokens),
            hint=message("raise data.max_tokens or set data.truncation: prompt-left"),
        )
    for note in notes_on(rendered, renderer, found.masks):
        say(note)
    return Rows(loaded, rendered, found.trees, found.taught, found.made, found.masks)


def _read(
    paths: Sequence[str], recipe: Recipe, chosen: Chosen, renderer: Renderer, say: Say, aside: Path | None
) -> tuple[Loaded, Taught]:
    """Read files into memory; return their account and their trees."""
    data = recipe.data
    with doing(message("reading {path}", path=", ".join(paths))):
        loaded = load_records(paths, format=data.format, bad_rows=data.bad_rows, quarantine=aside)
    for source in loaded.sources:
        say(source.describe())
    return loaded, teach(loaded.records, recipe, chosen, renderer)


@dataclass(frozen=True)
class Parted:
    """Rows parted into those that are learnt from and those that are evaluated."""

    rows: Rows
    learnt: Sequence[Tree]
    places: Sequence[str]  # `file:line` of each tree of `learnt`
    held_out: Sequence[Tree]
    held_out_records: Sequence[Record]  # the records of the trees of `held_out`


def part(rows: Rows, evaluated: Rows | None, recipe: Recipe, say: Say) -> Parted:
    """Part rows to learn from and rows to evaluate: those of `evaluated`, else a share of `rows`."""
    if evaluated is None:
        learnt, out = split_off(rows.ids, recipe.data.eval_fraction, recipe.seed)
    else:
        learnt, out = np.arange(len(rows.trees)), np.arange(len(evaluated.trees))
    source = evaluated or rows
    learnt_records, records = pick(rows.records, learnt), pick(source.records, out)
    mine, others = _turns_of(learnt_records, records)
    told = say_shared(rows, mine, others, say)
    return Parted(
        told,
        pick(rows.trees, learnt),
        pick(rows.places, learnt),
        pick(source.trees, out),
        records,
    )


def _turns_of(*sides: Sequence[Record]) -> list[Keys]:
    """Return a key of each record of each side: records with equal keys are the same row."""
    if any(isinstance(side, Stored) for side in sides):
        return [
            side.numbers("turns") if isinstance(side, Stored) else list(map(turns_key, side))
            for side in sides
        ]
    return [[(one.prompt, *(response.turns for response in one.responses)) for one in side] for side in sides]


def require_classes(trees: Sequence[Tree], recipe: Recipe, chosen: Chosen) -> None:
    """Raise DataError where labelled rows are all of one class, unless data.one_class allows it."""
    labels = set((first_labels(trees) > 0.5).tolist()) if chosen.shape is UNPAIRED else set()
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
    """Read the rows of `data.retain`: one response each, as supervised fine-tuning reads them."""
    if not recipe.data.retain:
        return None
    return read_rows(recipe.data.retain, recipe, choose("sft", None, {}), renderer, say)


def split_off(
    rows: np.ndarray | Sequence[tuple[int, int]], share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Keep a share of the rows, drawn by seed, for evaluation; return the trees to learn from and those kept.

    `rows` has the row of each tree, its source and its number there; trees of one row stay together.
    """
    places = np.arange(len(rows))
    if not share:
        return places, places[:0]
    source, number = np.asarray(rows, np.int64).T
    _, first, of = np.unique((source << 44) + number, return_index=True, return_inverse=True)
    drawn = len(first)
    held = max(1, round(drawn * share))
    if held >= drawn:
        raise DataError(f"data.eval_fraction {share} of {drawn} rows leaves none to train on")
    order = generator(seed, Stream.HELD_OUT).permutation(drawn)
    out = np.zeros(drawn, np.bool_)  # by the order in which rows first come
    out[order[:held]] = True
    held_out = out[np.argsort(np.argsort(first))[of]]
    return places[~held_out], places[held_out]
