"""`constitution`: answers criticised under principles and revised, as rows to train on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from truing.cli.commands import command, opening
from truing.cli.show import IMPORTING, next_step, say, stage
from truing.cli.streams import print_json
from truing.cli.work import asked_in, role
from truing.core.doing import doing
from truing.core.messages import message


def constitution(
    what: Annotated[str, typer.Argument(help="A file of prompts, or the verb's recipe.", show_default=False)],
    policy: Annotated[str | None, typer.Option(help="The model whose answers are revised.")] = None,
    critic: Annotated[
        str | None, typer.Option(help="rule, a model, or '{model: NAME, base_url: URL}'.")
    ] = None,
    reviser: Annotated[
        str | None, typer.Option(help="rule, a model, or '{model: NAME, base_url: URL}'.")
    ] = None,
    judge: Annotated[str | None, typer.Option(help="The model that compares in both orders.")] = None,
    principles: Annotated[
        str | None, typer.Option(help="auto, en, zh, or a file with a constitution.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Change one value of the recipe: rounds=3.")
    ] = None,
    output: Annotated[str | None, typer.Option(help="The folder for the rows and the report.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Criticise and revise a model's answers under a constitution; write rows for SFT and preferences.

    Stopped at any point, the same command goes on and asks nothing twice.
    """
    from truing.config.constitution import ConstitutionRecipe
    from truing.config.work import load_work

    given = {"policy": policy, "critic": critic, "reviser": reviser, "judge": judge}
    flags: dict[str, Any] = {name: role(one) for name, one in given.items() if one}
    flags |= {"constitution": principles, "output": output}
    path, overrides = asked_in(what, set_, **flags)
    recipe = load_work(ConstitutionRecipe, path, overrides)
    with doing(IMPORTING):
        from truing.api.watching import Stages
        from truing.pipelines.constituting import PREFERENCES, constitute, require_answered
        from truing.pipelines.train_file import TRAIN
        from truing.synthesis.work import REPORT
    with Stages(stage) as lines:
        done = constitute(recipe, say, lines)
    if as_json:
        print_json(done)
    else:
        _show(done)
    require_answered(done, recipe.max_errors)
    folder = Path(recipe.output)
    next_step(opening(folder / REPORT), "every transcript side by side")
    if (folder / TRAIN).exists():
        why = "train on the revisions, when you have read some transcripts; the pairs are in {pairs}"
        next_step(command("train", folder / TRAIN), message(why, pairs=folder / PREFERENCES))


def _show(done: Mapping[str, Any]) -> None:
    counts = done["counts"]
    dropped = sum(counts["dropped"].values())
    said = "{revised} of {prompts} prompts revised, {unchanged} unchanged, {dropped} dropped, {errors} errors"
    say(message(said, **{**counts, "dropped": dropped}))
    for warning in done["warnings"]:
        say(message("warning: {what}", what=warning))
