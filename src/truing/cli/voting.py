"""`truing annotate stats` and `prioritise`: votes as numbers, and the items to vote on next."""

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
VotedProject = Annotated[
    str, typer.Argument(help="The project: a file, or postgresql://USER@HOST/NAME.", show_default=False)
]


def stats(
    project: VotedProject,
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
    next_step(
        command("annotate export", project, format="preference", output="votes.jsonl"), "the votes as rows"
    )


def prioritise(
    project: VotedProject,
    reward_model: Annotated[str, typer.Option(help="A run of method reward, a folder or a hub name.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Put the items that lack votes in the order of a reward model's doubt, the greatest first."""
    from truing.store.project import open_store

    with doing(IMPORTING):
        from truing.pipelines.votes.priorities import open_items
        from truing.pipelines.votes.priorities import prioritise as by_doubt
        from truing.rewards.model import model_reward
    with open_store(project, create=False) as store:
        reward = model_reward(None, say, path=reward_model)
        with doing("scoring", total=len(open_items(store))) as seen:
            found = by_doubt(store, reward, seen)
    if as_json:
        failed = [{"item": item, "reason": reason} for item, reason in found.failed]
        order = [{"item": one.item, "doubt": one.doubt} for one in found.found]
        print_json({"items": order, "mean": found.mean, "failed": failed})
        return
    say(found.line())
    next_step(command("annotate serve", project=project), "the next items are those of the greatest doubt")


def votes_loop(path: Path, flags: list[str]) -> None:
    """Run a file that learns from votes, from where it was stopped."""
    from truing.config.votes_loop import load_votes_loop, round_folder

    recipe = load_votes_loop(path, flags)
    with doing(IMPORTING):
        from truing.pipelines.votes.loop import run_votes_loop
    rounds = run_votes_loop(recipe, say, stage)
    if rounds:
        last = round_folder(recipe.output, rounds[-1].number)
        say(message("\n{n} rounds done; the last reward model is in {path}", n=len(rounds), path=last))
        next_step(command("score", "ROWS", model=last), "score responses it has not seen")


def _print(table: "VoteTable") -> None:
    """Print a table: its title, what explains it, and its rows, with the interval behind a value."""
    from rich.table import Table
    from rich.text import Text

    from truing.text.shown import plain

    shown = Table(*table.columns, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for row in table.rows:
        shown.add_row(*(Text(plain(" ".join(filter(None, (cell.text, cell.interval))))) for cell in row))
    console.print(Text(f"\n{plain(table.title)}", style="bold"))
    if table.explains:
        console.print(Text(plain(table.explains), style="dim"))
    console.print(shown)
