"""Votes as files that an admin takes from the page, also while people vote."""

from dataclasses import dataclass

from truing.core.files import json_line
from truing.data.votes import VoteChoice, rows_of_votes
from truing.store.exchange import vote_rows
from truing.store.label_studio import write_label_studio
from truing.store.project import ProjectStore
from truing.store.tables import write_table

# Formats of files by the name that `truing annotate export --format` takes, and what each is for.
TITLES = {
    "preference": "Preferences, for a reward model or DPO",
    "kto": "Labelled responses, for KTO",
    "ranking": "Rankings",
    "sort": "Sorted responses, as PaddleNLP reads them",
    "csv": "Each vote apart, for a spreadsheet",
    "label-studio": "Each vote apart, for Label Studio",
}


@dataclass(frozen=True, slots=True)
class VotesFile:
    """A file of votes."""

    name: str
    content: bytes
    media_type: str


def votes_file(store: ProjectStore, format_: str) -> VotesFile:
    """Return the votes of a project in a format of `TITLES`. Raises DataError where no vote gives a row."""
    if format_ == "csv":
        return VotesFile("votes.csv", write_table(vote_rows(store)), "text/csv; charset=utf-8")
    if format_ == "label-studio":
        content = write_label_studio(vote_rows(store))
        return VotesFile("votes-label-studio.json", content, "application/json")
    rows, _ = rows_of_votes(store, VoteChoice(store.place, format_))
    content = b"".join(map(json_line, rows))
    return VotesFile(f"votes-{format_}.jsonl", content, "application/jsonl")
