"""From files to trees: the rows that a run trains on, evaluates on and retains, all accounted for."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from truing.config.recipe import Recipe
from truing.core.doing import doing
from truing.core.errors import ConfigError, DataError
from truing.core.messages import Say, message
from truing.core.records import Record
from truing.core.streams import Stream, generator
from truing.data.chat import Renderer
from truing.data.differing import only_differing
from truing.data.kept import Rows, say_cuts, say_shared
from truing.data.limits import render_all, require_most, require_written
from truing.data.load import load_records
from truing.data.notes import mask_counts, notes_on
from truing.data.trees import Tree
from truing.methods.offline import Chosen, choose
from truing.objectives.binding import needs
from truing.objectives.shapes import DEMONSTRATION, UNPAIRED, unpaired


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
    _require_soft(taught, chosen)
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


@dataclass(frozen=True)
class Parted:
    """Rows parted into those that are learnt from and those that are evaluated."""

    rows: Rows
    learnt: list[Tree]
    places: list[str]  # `file:line` of each tree of `learnt`
    held_out: list[Tree]
    held_out_records: list[Record]  # the records of the trees of `held_out`


def part(rows: Rows, evaluated: Rows | None, recipe: Recipe, say: Say) -> Parted:
    """Part rows to learn from and rows to evaluate: those of `evaluated`, else a share of `rows`."""
    if evaluated is None:
        ids = [record.id for record in rows.records]
        learnt, out = split_off(ids, recipe.data.eval_fraction, recipe.seed)
    else:
        learnt, out = list(range(len(rows.trees))), list(range(len(evaluated.trees)))
    source = evaluated or rows
    records = [source.records[i] for i in out]
    told = say_shared(rows, _turns_of([rows.records[i] for i in learnt]), _turns_of(records), say)
    return Parted(
        told,
        [rows.trees[i] for i in learnt],
        [rows.records[i].place for i in learnt],
        [source.trees[i] for i in out],
        records,
    )


def _turns_of(records: Sequence[Record]) -> list[tuple]:
    """Return the turns of each record: records with equal turns are the same row."""
    return [(record.prompt, *(response.turns for response in record.responses)) for record in records]


def _require_soft(records: Sequence[Record], chosen: Chosen) -> None:
    """Raise ConfigError where a row gives its label a probability that the loss would not read."""
    if chosen.soft or chosen.shape is DEMONSTRATION:  # which learns a response whatever is thought of another
        return
    unsure = [record for record in records if record.probability not in (None, 1)]
    if not unsure:
        return
    able = [name for name, loss in chosen.method.losses.items() if needs(loss, "probability")]
    elsewhere = message("learn from these rows with dpo or reward, or drop the column")
    said = "{place}: the row says chosen_probability {value:g}, and {loss} ({method}) reads no probability"
    raise ConfigError(
        message(
            said,
            place=unsure[0].place,
            value=unsure[0].probability,
            loss=chosen.name,
            method=chosen.method.name,
        ),
        hint=message("losses that do: {names}", names=", ".join(able)) if able else elsewhere,
    )


def require_classes(trees: Sequence[Tree], recipe: Recipe, chosen: Chosen) -> None:
    """Raise DataError where labelled rows are all of one class, unless data.one_class allows it."""
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
    """Read the rows of `data.retain`: one response each, as supervised fine-tuning reads them."""
    if not recipe.data.retain:
        return None
    return read_rows(recipe.data.retain, recipe, choose("sft", None, {}), renderer, say)


def split_off(rows: Sequence[Hashable], share: float, seed: int) -> tuple[list[int], list[int]]:
    """Keep a share of the rows, drawn by seed, for evaluation; return the trees to learn from and those kept.

    `rows` has the row of each tree; trees of one row stay together.
    """
    drawn = list(dict.fromkeys(rows))
    held = max(1, round(len(drawn) * share)) if share else 0
    if held >= len(drawn):
        raise DataError(f"data.eval_fraction {share} of {len(drawn)} rows leaves none to train on")
    order = generator(seed, Stream.HELD_OUT).permutation(len(drawn))
    out = {drawn[i] for i in order[:held]}
    sides: tuple[list[int], list[int]] = ([], [])
    for place, row in enumerate(rows):
        sides[row in out].append(place)
    return sides
