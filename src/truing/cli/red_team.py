"""`red-team`: attacks on a model, and what came of them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from truing.cli.commands import command, opening
from truing.cli.feedback import AsJson, Output
from truing.cli.language import console_language
from truing.cli.show import IMPORTING, next_step, say, stage
from truing.cli.streams import print_json
from truing.cli.work import asked_in, role, show_report
from truing.core.doing import doing
from truing.core.messages import message

if TYPE_CHECKING:
    from truing.config.red_team import RedTeamRecipe

RESULTS = (".jsonl", ".csv", ".json")  # of garak and PyRIT


def red_team(
    what: Annotated[
        str, typer.Argument(help="A model, a recipe, or results of garak or PyRIT.", show_default=False)
    ],
    attack: Annotated[
        list[str] | None, typer.Option(help="An attack, or all; may be repeated. Without it four of them.")
    ] = None,
    category: Annotated[list[str] | None, typer.Option(help="A category of harm; may be repeated.")] = None,
    language: Annotated[list[str] | None, typer.Option(help="en or zh; may be repeated.")] = None,
    rows: Annotated[
        list[str] | None, typer.Option(help="A file of own prompts with their categories.")
    ] = None,
    judge: Annotated[
        str | None, typer.Option(help="A model that classifies answers, or {name: server, model: NAME}.")
    ] = None,
    generator: Annotated[
        str | None, typer.Option(help="A model that proposes more prompts, or {name: server, model: NAME}.")
    ] = None,
    k: Annotated[int | None, typer.Option(help="Answers to each attack, instead of 1.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Change one value of the recipe: per_category=6.")
    ] = None,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Attack a model by category and attack, and say how often it succeeds, raw and corrected.

    Stopped at any moment, the same command goes on from there.
    """
    if what.endswith(RESULTS):
        _judge_again(Path(what), Path(output or "red-team"), as_json)
        return
    from truing.config.red_team import RedTeamRecipe
    from truing.config.work import load_work

    flags = {"attacks": attack, "categories": category, "languages": language, "prompts": rows, "k": k}
    flags |= {name: role(given) for name, given in (("judge", judge), ("generator", generator)) if given}
    path, overrides = asked_in(what, set_, "model", **flags, output=output)
    _attack(load_work(RedTeamRecipe, path, overrides), as_json)


def _attack(recipe: "RedTeamRecipe", as_json: bool) -> None:
    """Attack a model as a recipe says, and show what came of it."""
    with doing(IMPORTING):
        from truing.api.watching import Stages
        from truing.core.words import speaking
        from truing.pipelines.red_team import red_team_recipe
        from truing.redteam.rows import FAILURES
        from truing.redteam.rows import as_json as as_numbers
        from truing.redteam.run import require_answered
        from truing.reports.red_team import red_team_report
        from truing.synthesis.work import REPORT
    with Stages(stage) as lines:
        done = red_team_recipe(recipe, say, lines)
    if as_json:
        print_json(as_numbers(done))
    with speaking(console_language()):
        if not as_json:
            show_report(red_team_report(done))
        next_step(opening(done.path / REPORT), "every attack with its outcome")
        if done.failures and (recipe.prompts or recipe.split == "train"):
            next_step(command("data refusals", done.path / FAILURES), "rows that teach to decline them")
        elif done.failures:
            model = recipe.model if isinstance(recipe.model, str) else json.dumps(recipe.model)
            again = command("red-team", model, set_="split=train", output=f"{done.path}-train")
            next_step(again, "attack prompts that training may use, to learn from what succeeds")
        require_answered(done)


def _judge_again(path: Path, output: Path, as_json: bool) -> None:
    """Read a file of garak or PyRIT, and judge its answers by truing's rules."""
    with doing(message("reading {path}", path=path)):
        from truing.redteam.exchange import judge_file
    told = judge_file(path, output)
    if as_json:
        print_json(told)
        return
    for name, found in told["attacks"].items():
        ours, theirs = (_rate(found[key]) for key in ("success", "their success"))
        said = "{attack}: {ours} succeeded by truing's rules, {theirs} by the tool's"
        say(message(said, attack=name, ours=ours, theirs=theirs))
    next_step(command("data refusals", output / "failures.jsonl"), "rows that teach to decline them")


def _rate(found: dict[str, float] | None) -> str:
    return "—" if found is None else f"{found['value']:.1%} ({found['low']:.1%} … {found['high']:.1%})"
