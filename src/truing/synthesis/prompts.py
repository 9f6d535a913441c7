"""The prompts of a verb that makes rows: read from files in any format, each with its origin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truing.core.errors import DataError
from truing.core.messages import Say, message
from truing.core.records import Record
from truing.data.load import SourceReport, load_records


@dataclass(frozen=True)
class PromptSet:
    """Records with a prompt, in the order of their files, and the files."""

    records: list[Record]
    sources: list[SourceReport]

    @property
    def inputs(self) -> dict[str, str]:
        """The SHA-256 of every file, by its path."""
        return {source.path: source.sha256 for source in self.sources}

    def origin(self, record: Record) -> dict[str, Any]:
        """Return the place a record comes from: `file`, `row` (from 1) and the file's `sha256`."""
        source = self.sources[record.source]
        return {"file": Path(source.path).name, "row": record.number, "sha256": source.sha256}


def read_prompts(paths: Sequence[str], say: Say, *, limit: int | None = None) -> PromptSet:
    """Read the rows with a prompt; one of several equal prompts is kept, and the others are told.

    `limit` keeps the first so many. Raises DataError where no row has a prompt.
    """
    loaded = load_records(list(paths))
    for source in loaded.sources:
        say(source.describe())
    records = [one for one in loaded.records if one.prompt and one.prompt[-1].role != "assistant"]
    first: dict[Any, Record] = {}
    for record in records:
        first.setdefault((record.prompt, record.given), record)
    if not first:
        raise DataError(
            message("{paths}: no row has a prompt to ask", paths=", ".join(paths)),
            hint=message("a row of prompts is {example}", example='{"prompt": "How do I bake bread?"}'),
        )
    if len(first) < len(records):
        say(message("{n} rows repeat a prompt and are asked once", n=len(records) - len(first)))
    return PromptSet(list(first.values())[:limit], loaded.sources)


def turns(record: Record) -> list[Mapping[str, Any]]:
    """Return a record's prompt as turns of a row."""
    return [turn.as_dict() for turn in record.prompt]
