"""`truing annotate stats` and `truing annotate prioritise`: votes as numbers, and the items to vote on next."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from truing.cli.commands import command
from truing.cli.language import console_language
from truing.cli.show import IMPORTING, console, next_step, say, stage
from truing.cli.streams import print_json
from truing.core.doing import doing
from truing.core.messages import message

if TYPE_CHECKING:
    from truing.pipelines.votes.tables import VoteTable

STATS = "truing annotate stats project.db --judged judged"
PRIORITISE = "truing annotate prioritise project.db --reward-model runs/reward"
Project = Annotated[
    str, typer.Argument(help="The project: a file, or postgresql://USER@HOST/NAME.", show_default=False)
]


def stats(
    project: Project,
    judged: Annotated[
        Path | None, typer.Option(help="A folder of `truing judge`, to hold the judge beside people.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the intervals.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print agreement, strengths of the models and each person's numbers, with intervals."""
    from truing.core.words import speaking
    from truing.store.project import open_store

    with doing(message("reading the votes of {project}", project=project)):
        from truing.pipelines.votes.summary import summarise
        from truing.pipelines.votes.tables import summary_tables

        with open_store(project, create=False) as store:
            found = summarise(store, judged, seed=seed)
    if as_json:
        print_json(found.as_row(), indent=2)
        return
    with speaking(console_language()):
        for table in summary_tables(found):
            _print(table)
    next_step(command("annotate export", project, format="preference", output="votes.jsonl"), "the votes as rows")


def _print(table: "VoteTable") -> None:
    """Print a table: its title, what explains it, and its rows, with the interval behind a value."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(*table.columns, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for row in table.rows:
        shown.add_row(*(Text(" ".join(filter(None, (cell.text, cell.interval)))) for cell in row))
    console.print(Text(f"\n{table.title}", style="bold"))
    if table.explains:
        console.print(Text(table.explains, style="dim"))
    console.print(shown)
