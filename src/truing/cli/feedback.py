"""`feedback`: preferences from models, in place of people."""

from typing import Annotated

import typer

from truing.cli.commands import command, opening
from truing.cli.language import console_language
from truing.cli.show import IMPORTING, next_step, say, stage
from truing.cli.streams import print_json
from truing.cli.work import asked_in, role, roles, show_report
from truing.core.doing import doing
from truing.core.messages import message

What = Annotated[str, typer.Argument(help="A file of prompts, or a recipe.", show_default=False)]
Set = Annotated[list[str] | None, typer.Option("--set", help="Change one value of the recipe: k=8.")]
Output = Annotated[str | None, typer.Option(help="The folder for the rows and the report.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def feedback(
    what: What,
    policy: Annotated[list[str] | None, typer.Option(help="A model that answers; may be repeated.")] = None,
    judge: Annotated[
        str | None,
        typer.Option(help="A reward model, a language model, or {name: server, model: NAME}."),
    ] = None,
    k: Annotated[int | None, typer.Option(help="Responses of each model to a prompt, instead of 4.")] = None,
    select: Annotated[str | None, typer.Option(help="best_worst, all_pairs or best_of_n.")] = None,
    set_: Set = None,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Sample responses, have a model compare them, and write preference rows or the best responses.

    Stopped at any moment, the same command goes on from there.
    """
    from truing.config.feedback import FeedbackRecipe
    from truing.config.work import load_work

    flags = {"policies": roles(policy), "judge": role(judge) if judge else None, "k": k, "select": select}
    path, overrides = asked_in(what, set_, **flags, output=output)
    recipe = load_work(FeedbackRecipe, path, overrides)
    with doing(IMPORTING):
        from truing.api.watching import Stages
        from truing.core.words import speaking
        from truing.pipelines.feedback import feedback_recipe
        from truing.pipelines.train_file import TRAIN
        from truing.reports.feedback import feedback_report
        from truing.synthesis.feedback import as_json as as_rows
        from truing.synthesis.feedback import require_answered
        from truing.synthesis.work import REPORT
    with Stages(stage) as lines:
        done = feedback_recipe(recipe, say, lines)
    if as_json:
        print_json(as_rows(done))
    with speaking(console_language()):
        if not as_json:
            show_report(feedback_report(done))
        say(message("wrote {n} rows to {path}", n=len(done.rows), path=done.path))
        next_step(opening(done.path / REPORT), "every response with its strength")
        if done.rows:
            next_step(command("train", done.path / TRAIN), "train on them")
        require_answered(done)
