"""`judge`: verdicts of a model, or of a panel, on the responses of rows."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from truing.cli.commands import command
from truing.cli.language import console_language
from truing.cli.show import IMPORTING, next_step, say, stage
from truing.cli.streams import print_json
from truing.cli.work import asked_in, roles, show_report
from truing.core.doing import doing
from truing.core.messages import message

if TYPE_CHECKING:
    from truing.config.judging import JudgingRecipe
    from truing.synthesis.judging.audit import JudgeAudit
    from truing.synthesis.judging.run import JudgedRows


def judge(
    what: Annotated[str, typer.Argument(help="A file of rows, or the verb's recipe.", show_default=False)],
    judge: Annotated[
        list[str] | None,
        typer.Option(help="A model, or '{model: NAME, base_url: URL}'; several are a panel."),
    ] = None,
    kind: Annotated[str | None, typer.Option(help="auto, pairwise, axes, rubric or ranking.")] = None,
    audit: Annotated[bool, typer.Option("--audit", help="Hold it against the rows' labels.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say the most that it may ask and cost, and ask nothing.")
    ] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Change one value of the recipe: scale=likert.")
    ] = None,
    output: Annotated[str | None, typer.Option(help="The folder for the rows and the report.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Judge the responses of rows: pairs in both orders, single ones by points or by the row's rubric.

    Stopped at any point, the same command goes on and asks nothing twice.
    """
    from truing.config.judging import JudgingRecipe
    from truing.config.work import load_work

    flags = {"judges": roles(judge), "kind": kind, "audit": audit or None}
    path, overrides = asked_in(what, set_, "rows", **flags, output=output)
    recipe = load_work(JudgingRecipe, path, overrides)
    with doing(IMPORTING):
        from truing.pipelines import judging
    if dry_run:
        _plan(recipe, as_json)
        return
    from truing.api.watching import Stages
    from truing.synthesis.judging.run import require_answered
    from truing.synthesis.work import REPORT, ROWS

    with Stages(stage) as lines:
        done, audits, found = judging.judge_files(recipe, say, lines)
    if as_json:
        print_json(found)
    else:
        _show(done, audits)
    require_answered(done)
    folder = Path(recipe.output)
    if "pairwise" in done.kinds:
        train = command("train", "recipes/dpo.yaml", set_=[f"data.train=[{folder / ROWS}]"])
        next_step(train, message("train on the verdicts, when you have read {page}", page=folder / REPORT))
    else:
        next_step(
            command("data show", folder / ROWS),
            message("the verdicts; the numbers are in {page}", page=folder / REPORT),
        )


def _plan(recipe: "JudgingRecipe", as_json: bool) -> None:
    from truing.pipelines.judging import dry_run

    opened, found = dry_run(recipe, say)
    rows = [
        {
            "judge": role.title,
            "questions": one.questions,
            "kept": one.kept,
            "requests": one.requests,
            "most_prompt_tokens": one.most.prompt,
            "most_completion_tokens": one.most.completion,
            "most_cost": one.cost,
        }
        for role, one in zip(opened.roles, found, strict=True)
    ]
    if as_json:
        print_json({"judges": rows})
        return
    for row in rows:
        say(
            message(
                "{judge}: {questions} questions, {kept} of them answered already; {requests} requests", **row
            )
        )
        if row["most_prompt_tokens"]:
            told = "at most {most_prompt_tokens} tokens of questions and {most_completion_tokens} of answers"
            say(message(told, **row))
        if row["most_cost"] is not None:
            say(message("at most {cost:.4g} in the currency of the prices", cost=row["most_cost"]))


def _show(done: "JudgedRows", audits: "list[JudgeAudit]") -> None:
    from truing.core.words import speaking
    from truing.reports.judging import judging_report

    with speaking(console_language()):
        show_report(judging_report(done, audits))
