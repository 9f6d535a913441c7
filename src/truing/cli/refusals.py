"""`data refusals`: rows that teach a model to decline what it failed to, and to go on answering."""

from typing import TYPE_CHECKING, Annotated

import typer

from truing.cli.commands import command, opening
from truing.cli.feedback import AsJson, Output, Set
from truing.cli.language import console_language
from truing.cli.show import IMPORTING, next_step, say, stage
from truing.cli.streams import print_json
from truing.cli.work import asked_in, role, show_report
from truing.core.doing import doing
from truing.core.messages import message

if TYPE_CHECKING:
    from truing.redteam.refusals import Refusals


def refusals(
    what: Annotated[
        str,
        typer.Argument(help="The failures.jsonl of a red teaming, or a recipe.", show_default=False),
    ],
    policy: Annotated[
        str | None, typer.Option(help="The model that will learn; without it, the one that failed.")
    ] = None,
    writer: Annotated[
        str | None, typer.Option(help="A model that writes refusals, or {name: server, model: NAME}.")
    ] = None,
    balance: Annotated[
        float | None, typer.Option(help="Retained answers for each refusal, instead of 1.25.")
    ] = None,
    form: Annotated[
        list[str] | None, typer.Option(help="plain or attacked; may be repeated. Without it both.")
    ] = None,
    set_: Set = None,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Write a helpful refusal of each prompt that a model failed at, and harmless prompts to answer on.

    Stopped at any moment, the same command goes on from there.
    """
    from truing.config.refusals import RefusalsRecipe
    from truing.config.work import load_work

    flags = {"balance": balance, "forms": form, "output": output}
    flags |= {name: role(given) for name, given in (("policy", policy), ("writer", writer)) if given}
    path, overrides = asked_in(what, set_, **flags)
    recipe = load_work(RefusalsRecipe, path, overrides)
    with doing(IMPORTING):
        from truing.api.watching import Stages
        from truing.pipelines.refusals import refusals_recipe
        from truing.redteam.refusals import as_json as as_counts
    with Stages(stage) as lines:
        done = refusals_recipe(recipe, say, lines)
    if as_json:
        print_json(as_counts(done))
    _end(done, shown=not as_json)


def _end(done: "Refusals", *, shown: bool) -> None:
    """Say what was made, and name the next command."""
    from truing.core.words import speaking
    from truing.pipelines.train_file import TRAIN
    from truing.reports.refusals import refusals_report
    from truing.synthesis.work import REPORT

    with speaking(console_language()):
        if shown:
            show_report(refusals_report(done))
        say(message("wrote {n} refusals to {path}", n=len(done.sft), path=done.path))
        next_step(opening(done.path / REPORT), "every refusal beside its prompt")
        if (done.path / TRAIN).exists():
            next_step(command("train", done.path / TRAIN), "train on them")
