"""`arena`: one question to two models side by side, a vote, and the standings."""

from typing import Annotated

import typer

from truing.cli.annotating import name_of
from truing.cli.commands import command
from truing.cli.serving import HostOption, NameOption, PageLanguage, PasswordFlag, PortOption, serve_pages
from truing.cli.show import IMPORTING, next_step
from truing.cli.talk import look_at
from truing.cli.work import roles
from truing.core.doing import doing


def arena(
    models: Annotated[
        list[str],
        typer.Argument(help="Two models or more, or '{model: NAME, base_url: URL}'.", show_default=False),
    ],
    project: Annotated[str, typer.Option(help="The project that holds the votes; it is made if need be.")],
    blind: Annotated[
        bool, typer.Option("--blind/--open", help="Show the names of models after the vote, or at once.")
    ] = True,
    max_new_tokens: Annotated[int, typer.Option(help="Most tokens of a response.")] = 512,
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 0.7,
    seed: Annotated[int, typer.Option(help="Seed of pairs, of sides and of sampling.")] = 0,
    memory: Annotated[
        float | None, typer.Option(help="Most GB for the models of this machine; by default most of it.")
    ] = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = None,
    password: PasswordFlag = False,
    name: NameOption = None,
    language: PageLanguage = None,
) -> None:
    """Chat with two models side by side in the browser, and vote: 1, 2, tie or both bad.

    Votes go to the project of `truing annotate`, with their questions and responses.
    """
    specs = [one if isinstance(one, str) else dict(one) for one in roles(models)]
    look_at(*(spec for spec in specs if isinstance(spec, str)))
    with doing(IMPORTING):
        from truing.sampling.types import Sampling
        from truing.store.project import open_store
        from truing.store.settings import ProjectSettings
        from truing.web.annotate.router import join_router
        from truing.web.app import WebPart
        from truing.web.arena.contest import Contest
        from truing.web.arena.models import open_models
        from truing.web.arena.router import arena_router
        from truing.web.arena.standings import VotedPairs, compared_pairs
    sampling = Sampling(max_new_tokens=max_new_tokens, temperature=temperature, logprobs=False)
    contest = Contest(
        open_models(specs, None if memory is None else memory * 1e9), sampling, blind=blind, seed=seed
    )
    served = {"host": host, "port": port, "password": password, "names": name, "language": language}
    with open_store(project, ProjectSettings(name=name_of(project), seed=seed)) as store:
        votes = list(VotedPairs(store))
        contest.compared, contest.begun = compared_pairs(votes), len(votes)
        own = WebPart("truing.web.arena", arena_router(contest, store))
        joining = WebPart("truing.web.annotate", join_router(store))
        rules = {"resolve": store.signed_in, "open_paths": ("/join",)}
        serve_pages("Arena", lambda: [own, joining], **served, **rules)
    export = command("annotate export", project, format="preference", output="votes.jsonl")
    next_step(export, "the votes as rows")
