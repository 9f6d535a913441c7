"""`truing annotate`: people's votes, in one file or a PostgreSQL database.

A first word that is no verb is an argument of `serve`: `truing annotate PROMPTS` serves.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from truing.cli.annotating import EXAMPLE, SeveralModels, serve
from truing.cli.commands import command
from truing.cli.data import FormatFlag, load_rows, stop_or_skip
from truing.cli.language import here
from truing.cli.show import next_step, padded, say
from truing.cli.streams import print_json
from truing.cli.voting import PRIORITISE, STATS, prioritise, stats
from truing.core.errors import UsageError
from truing.core.messages import message

if TYPE_CHECKING:
    from truing.store.project import ProjectStore

SERVE = "serve"


class ServingGroup(TyperGroup):
    """A group in which a first word that names no verb belongs to `serve`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        asks_help = args[:1] and args[0] in ctx.help_option_names
        return super().parse_args(ctx, args if asks_help else self._with_verb(args))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        return super().resolve_command(ctx, self._with_verb(args))

    def _with_verb(self, args: list[str]) -> list[str]:
        return [SERVE, *args] if args and args[0] not in self.commands else args


app = typer.Typer(
    cls=ServingGroup,
    help="Have people vote on responses.",
    epilog=f"Example: `{EXAMPLE}`",
    no_args_is_help=True,
)
app.command(SERVE, cls=SeveralModels, epilog=f"Example: `{EXAMPLE}`")(serve)
app.command(epilog=f"Example: `{STATS}`")(stats)
app.command(epilog=f"Example: `{PRIORITISE}`")(prioritise)
ProjectPlace = Annotated[
    str, typer.Argument(help="The project: a file, or postgresql://USER@HOST/NAME.", show_default=False)
]


def open_project(place: str) -> "ProjectStore":
    """Open a project that is there. Raises UsageError where none is."""
    from truing.store.project import open_store

    return open_store(place, create=False)


@app.command(epilog="Example: `truing annotate add project.db more.jsonl`")
def add(
    project: ProjectPlace,
    files: Annotated[list[str], typer.Argument(help="Rows with responses, in any format that truing reads.")],
    kind: Annotated[str | None, typer.Option(help="pair, ranking, ratings, safety or edit.")] = None,
    gold: Annotated[bool, typer.Option(help="Their answers are known; mix them in to see who errs.")] = False,
    training: Annotated[
        bool, typer.Option(help="Their answers are known; show them before all others.")
    ] = False,
    format_: FormatFlag = None,
    bad_rows: Annotated[str, typer.Option(help="stop or skip.")] = "stop",
) -> None:
    """Add rows to a project, also while people vote in it."""
    from truing.store.given import items_of
    from truing.store.items import ItemPurpose
    from truing.store.settings import KIND_OF

    stop_or_skip(bad_rows)
    if gold and training:
        raise UsageError(message("--gold and --training: expected one of the two"))
    if kind is not None:
        _require_one_of("--kind", kind, KIND_OF)
    purpose = ItemPurpose.GOLD if gold else ItemPurpose.TRAINING if training else ItemPurpose.REAL
    with open_project(project) as store:
        asked = KIND_OF[kind] if kind else store.settings.kinds[0]
        loaded = load_rows(files, format_, bad_rows, unranked=purpose is ItemPurpose.REAL)
        added = store.add_items(items_of(loaded.records, asked, purpose))
    say(message("{new} items added, {known} were there", new=added.new, known=added.known))
    next_step(command("annotate status", project), "see what lacks votes")


@app.command(epilog="Example: `truing annotate export project.db --format preference --output votes.jsonl`")
def export(
    project: ProjectPlace,
    output: Annotated[Path, typer.Option("--output", "--out", "-o", help="Where the votes go.")],
    format_: Annotated[
        str,
        typer.Option("--format", help="preference, kto, sort, ranking; label-studio, csv: each vote apart."),
    ] = "preference",
    combine: Annotated[
        str, typer.Option(help="Several people's votes: majority or dawid_skene.")
    ] = "majority",
    labels: Annotated[str, typer.Option(help="soft: with the chance of each label; hard: without.")] = "soft",
    names: Annotated[bool, typer.Option(help="Name people, in place of their numbers.")] = False,
) -> None:
    """Write a project's votes to a file, also while people vote in it."""
    from truing.core.files import json_line, write_atomic
    from truing.data.votes import FORMATS, LABELS, VoteChoice, rows_of_votes, told_lost
    from truing.store.combining import Combining
    from truing.store.exchange import vote_rows
    from truing.store.items import ItemPurpose
    from truing.store.label_studio import write_label_studio
    from truing.store.tables import write_table

    writers = {"label-studio": write_label_studio, "csv": write_table}
    _require_one_of("--format", format_, (*FORMATS, *writers))
    _require_one_of("--combine", combine, Combining)
    _require_one_of("--labels", labels, LABELS)
    with open_project(project) as store:
        if format_ in writers:
            votes = vote_rows(store)
            content = writers[format_](votes)
            kept = {*ItemPurpose} if format_ == "csv" else {ItemPurpose.REAL}
            n = sum(vote.answer is not None and vote.item.purpose in kept for vote in votes)
        else:
            choice = VoteChoice(store.place, format_, Combining(combine), labels == "hard", names)
            rows, lost = rows_of_votes(store, choice)
            if lost:
                say(message("left out: {what}", what=told_lost(lost)))
            content, n = b"".join(map(json_line, rows)), len(rows)
    write_atomic(output, content)
    if format_ in writers:
        say(message("wrote {n} votes to {path}", n=n, path=output))
        next_step(command("annotate import", output, project="PROJECT"), "takes them into another project")
    else:
        say(message("wrote {n} rows to {path}", n=n, path=output))
        next_step(command("data show", output), "look at them")


def _require_one_of(flag: str, given: str, known: Iterable[str]) -> None:
    """Raise UsageError where a flag was given another word than those that are known."""
    if given not in (listed := list(known)):
        raise UsageError(
            message("{flag} {given}: expected {known}", flag=flag, given=given, known=", ".join(listed))
        )


@app.command("import", epilog="Example: `truing annotate import label-studio.json --project project.db`")
def import_(
    files: Annotated[
        list[Path], typer.Argument(help="Exports of Label Studio or Argilla, pairs, or our CSV.")
    ],
    project: Annotated[str, typer.Option(help="The project; one that is not there is made.")],
) -> None:
    """Take votes and items of other tools into a project; a file that is read again adds nothing."""
    from truing.store.exchange import take_in
    from truing.store.foreign import read_votes_file, settings_for
    from truing.store.project import open_store

    rows = [row for path in files for row in read_votes_file(path)]
    with open_store(project, settings_for(rows, files[0].stem)) as store:
        taken = take_in(store, rows)
    said = "{items} items and {votes} votes taken in; {known} votes were there"
    say(message(said, items=taken.items, votes=taken.votes, known=taken.known))
    next_step(command("annotate status", project), "see what lacks votes")


@app.command(epilog="Example: `truing annotate invite project.db --count 3 --url http://127.0.0.1:8484`")
def invite(
    project: ProjectPlace,
    role: Annotated[str, typer.Option(help="annotator, adjudicator or admin.")] = "annotator",
    count: Annotated[int, typer.Option(min=1, max=1000, help="How many invitations.")] = 1,
    again: Annotated[
        str | None, typer.Option(metavar="NAME", help="Let this person in again, who was signed out.")
    ] = None,
    url: Annotated[str, typer.Option(help="Where the pages are served.")] = "http://127.0.0.1:8484",
) -> None:
    """Print links that let one person each into a project; they are stored nowhere."""
    from truing.store.people import PersonRole

    _require_one_of("--role", role, PersonRole)
    if again is not None and (count != 1 or role != "annotator"):
        said = "--again lets one person in who is there: expected no --count and no --role beside it"
        raise UsageError(message(said))
    with open_project(project) as store:
        tokens = store.invite(PersonRole(role), count) if again is None else [store.way_back(again)]
    for token in tokens:
        print(f"{url.rstrip('/')}/join/{token}")
    if again is None:
        say(message("each link works once; send each to one person"))
    else:
        said = "the link works once, within a week, for {name} alone; the ones before it work no longer"
        say(message(said, name=again))


@app.command(epilog="Example: `truing annotate status project.db`")
def status(
    project: ProjectPlace,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Count items, votes and people."""
    from truing.store.counts import count_votes

    with open_project(project) as store:
        found = count_votes(store)
    if as_json:
        print_json(found.as_json(), indent=2)
        return
    for line in found.lines():
        print(here(line))
    width = max((len(one.name) for one in found.people), default=0) + 2
    for one in found.people:
        print(padded(one.name, width) + here(one.line()))
    next_step(
        command("annotate export", project, format="preference", output="votes.jsonl"), "the votes as rows"
    )
