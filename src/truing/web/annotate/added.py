"""Rows that an admin adds from the page: a bounded text, read as a file of that name would be."""

from pathlib import Path
from tempfile import TemporaryDirectory

from truing.core.errors import DataError
from truing.core.messages import message
from truing.data.load import load_records
from truing.store.given import items_of
from truing.store.items import AddedItems, ItemPurpose
from truing.store.project import ProjectStore
from truing.store.settings import VoteKind

KINDS_OF_FILE = (".jsonl", ".json", ".csv", ".tsv")


def add_rows(
    store: ProjectStore, name: str, text: str, kind: VoteKind | None, purpose: ItemPurpose
) -> AddedItems:
    """Add the rows of a text to a project. `name` is that of the file they come from; only its end is used.

    Raises DataError for a text that is no rows, and for rows that cannot be voted on; none is added then.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in KINDS_OF_FILE:
        said = message("a file {name}: expected {known}", name=name, known=", ".join(KINDS_OF_FILE))
        raise DataError(said, hint=message("save the rows as JSON lines"))
    with TemporaryDirectory(prefix="truing-added-") as folder:
        path = Path(folder) / f"added{suffix}"
        path.write_text(text, encoding="utf-8")
        records = load_records([str(path)], unranked=purpose is ItemPurpose.REAL).records
    return store.add_items(items_of(records, kind or store.settings.kinds[0], purpose))
