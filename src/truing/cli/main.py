"""`truing`: the verbs, and what happens to an error on its way to the terminal.

A verb is a function in one of this folder's files; `VERBS` is the table. Torch is imported inside the
verbs that need it, so `truing --help` answers at once.
"""

import logging
import os
import sys
from typing import Annotated

import typer

from truing import __version__
from truing.cli import data, evaluate, init, pipeline, report, score, system, talk, training
from truing.core.errors import TruingError

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

app = typer.Typer(
    name="truing",
    help="Align language models with people's intent: from rows of feedback to a measured, safer model.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)

VERBS = (
    system.quickstart,
    init.init,
    training.check,
    training.train,
    pipeline.run,
    talk.sample,
    talk.chat,
    training.export,
    score.score,
    evaluate.evaluate,
    report.report,
    system.doctor,
    system.schema,
)
for verb in VERBS:
    app.command("eval" if verb is evaluate.evaluate else None)(verb)  # Python has its own eval
app.add_typer(data.app, name="data")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"truing {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    logging.basicConfig(format="%(message)s", level=logging.WARNING)


def main() -> None:
    """The console script. User mistakes print one message without a traceback and set the exit code."""
    try:
        app()
    except TruingError as error:
        typer.secho(f"{error.code}: {error}", fg="red", err=True)
        if error.hint:
            typer.echo(f"  → {error.hint}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on where it can", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
