"""`data negatives`: preference rows of a true answer and a false one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from truing.cli.commands import command, opening
from truing.cli.feedback import AsJson, Set
from truing.cli.language import console_language
from truing.cli.show import IMPORTING, next_step, say, stage
from truing.cli.streams import print_json
from truing.cli.work import asked_in, role, show_report
from truing.core.doing import doing
from truing.core.errors import UsageError
from truing.core.messages import message

if TYPE_CHECKING:
    from truing.synthesis.negatives.run import Negatives


def negatives(
    what: Annotated[
        str, typer.Argument(help="A file of rows with true answers, or a recipe.", show_default=False)
    ],
    rules: Annotated[
        str | None, typer.Option(help="Rules apart by commas: numbers,hedges; all where not given.")
    ] = None,
    changes: Annotated[
        str | None, typer.Option(help="Changes of an answer, or a share of all possible: 2, or 0.3.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="rules, writer or samples.")] = None,
    writer: Annotated[str | None, typer.Option(help="The model that rewrites answers wrongly.")] = None,
    policy: Annotated[
        str | None, typer.Option(help="The model that is sampled, and that the next command trains.")
    ] = None,
    k: Annotated[int | None, typer.Option(help="Samples of the policy; the worst is taken.")] = None,
    judge: Annotated[
        str | None, typer.Option(help="A reward model or a language model that tells the worse answer.")
    ] = None,
    against_eval: Annotated[
        list[str] | None, typer.Option(help="An evaluation's file, whose rows are dropped; may be repeated.")
    ] = None,
    set_: Set = None,
    output: Annotated[
        str | None, typer.Option(help="The folder for rows and report, or a file that ends in .jsonl.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write preference rows: true answers against the same answers made false.

    Stopped at any moment, the same command goes on from there.
    """
    from truing.config.negatives import NegativesRecipe
    from truing.config.work import load_work

    file = Path(output) if output and output.endswith(".jsonl") else None
    flags = {
        "by": by or ("writer" if writer else None),
        "rules": [one.strip() for one in rules.split(",")] if rules else None,
        "changes": None if changes is None else _changes(changes),
        "writer": role(writer) if writer else None,
        "policy": role(policy) if policy else None,
        "k": k,
        "judge": role(judge) if judge else None,
        "against_eval": against_eval,
        "output": str(file.with_suffix("")) if file else output,
    }
    path, overrides = asked_in(what, set_, **flags)
    recipe = load_work(NegativesRecipe, path, overrides)
    with doing(IMPORTING):
        from truing.api.watching import Stages
        from truing.pipelines.negatives import negatives_recipe
        from truing.synthesis.negatives.run import as_json as as_rows
    with Stages(stage) as lines:
        done = negatives_recipe(recipe, say, lines)
    if as_json:
        print_json(as_rows(done))
    _end(done, file, shown=not as_json)


def _changes(text: str) -> int | float:
    """Return a number of changes, or a share of them. Raises UsageError for text that is no number."""
    try:
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        raise UsageError(
            message("--changes {given}: expected a whole number, or a share below 1", given=text)
        ) from None


def _end(done: "Negatives", file: Path | None, *, shown: bool) -> None:
    """Show the numbers, write the rows to a file of the user's, and name the next command."""
    from truing.core.words import speaking
    from truing.data.convert import write_jsonl
    from truing.pipelines.train_file import TRAIN
    from truing.reports.negatives import negatives_report
    from truing.synthesis.negatives.run import require_answered
    from truing.synthesis.work import REPORT, ROWS

    with speaking(console_language()):
        if shown:
            show_report(negatives_report(done))
        if file is not None:
            write_jsonl(file, done.rows)
        say(message("wrote {n} rows to {path}", n=len(done.rows), path=file or done.path / ROWS))
        next_step(opening(done.path / REPORT), "every true answer beside its false one")
        if done.rows:
            next_step(command("train", done.path / TRAIN), "train on them")
        require_answered(done)
