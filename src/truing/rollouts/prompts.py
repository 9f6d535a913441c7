"""From files to the prompts that online training asks its policy, with every row accounted for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from truing.config.recipe import Recipe
from truing.core.errors import DataError
from truing.core.messages import Say
from truing.core.records import Record
from truing.data.chat import Renderer
from truing.data.kept import Rows, say_cuts
from truing.data.limits import render_all, require_most, require_written
from truing.data.load import load_records
from truing.data.notes import notes_on
from truing.data.trees import Tree
from truing.rewards.reference import reference_of
from truing.rewards.types import Item
from truing.sampling.types import Sample


@dataclass(frozen=True)
class Prompt:
    """One row to ask: its prompt as token ids, and the record of the row."""

    tree: Tree  # without branches
    record: Record

    def item(self, sample: Sample) -> Item:
        """Return a response to this prompt as an item for rewards."""
        responses = self.record.responses
        return Item(
            prompt=self.record.prompt,
            response=sample.text,
            finish=sample.finish,
            tokens=len(sample.tokens),
            reference=reference_of(self.record.columns, responses[0].text if responses else None),
            category=self.record.category,
            columns=self.record.columns,
            given=self.record.given,
            rubric=self.record.rubric,
            place=self.record.place,
        )


@dataclass(frozen=True)
class Prompts:
    """All prompts of some files, and the rows of the files as they were counted."""

    rows: Rows
    prompts: list[Prompt]


def read_prompts(
    paths: Sequence[str], recipe: Recipe, renderer: Renderer, say: Say, aside: Path | None = None
) -> Prompts:
    """Load files and render their prompts.

    The longest prompt has data.max_tokens less sampling.max_new_tokens. Raises DataError when no prompt is
    left.
    """
    data, new = recipe.data, recipe.sampling.max_new_tokens
    loaded = load_records(paths, format=data.format, bad_rows=data.bad_rows, quarantine=aside)
    for source in loaded.sources:
        say(source.describe())
    asked = [record for record in loaded.records if record.prompt]
    bare = [replace(record, responses=()) for record in asked]
    rendered = render_all(bare, renderer, data.max_tokens - new, data.truncation)
    require_written(", ".join(paths), rendered, all_of_them=data.bad_rows == "skip")
    say_cuts(rendered, data.max_tokens - new, say)
    if data.bad_rows == "stop":
        require_most(", ".join(paths), rendered, data.max_tokens, beside=new)
    if not rendered.trees:
        raise DataError(
            f"{', '.join(paths)}: none of {len(loaded.records)} rows has a prompt of at most"
            f" {data.max_tokens - new} tokens (data.max_tokens {data.max_tokens} less"
            f" sampling.max_new_tokens {new})",
            hint="raise data.max_tokens or set data.truncation: prompt-left",
        )
    for note in notes_on(rendered, renderer, {}):
        say(note)
    origins = zip(rendered.trees, rendered.origins, strict=True)
    prompts = [Prompt(tree, asked[origin]) for tree, origin in origins]
    return Prompts(Rows(loaded, rendered, rendered.trees, len(asked)), prompts)
