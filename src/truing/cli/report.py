"""`report`: one HTML file that shows a run, or several side by side, to somebody who was not there."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from truing.cli.commands import command, opening
from truing.cli.language import console_language
from truing.cli.show import next_step, say
from truing.core.doing import doing
from truing.core.errors import UsageError
from truing.core.languages import Language
from truing.core.messages import message

COMPARISON = Path("comparison.html")


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="A run folder, finished or interrupted; several, or evaluations' folders, are compared.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(help=f"Where the page goes, instead of report.html in the run folder or {COMPARISON}."),
    ] = None,
    language: Annotated[Language, typer.Option(help="Of the page.")] = "en",
) -> None:
    """Write a run's curves, numbers, data and recipe, or a comparison of several, as one HTML file.

    The page loads nothing from any network.
    """
    for run in runs:
        if not run.exists():
            hint = message("give a run folder, as `truing train` writes it, or the folder of an evaluation")
            raise UsageError(message("{path} does not exist", path=run), hint=hint)
    if len(runs) > 1:
        _compare(runs, output or COMPARISON, language)
    else:
        _one(runs[0], output, language)


def _one(run: Path, output: Path | None, language: Language) -> None:
    with doing(message("reading {path}", path=run)):
        from truing.config.run_folder import run_recipe
        from truing.reports.compare.read import is_evaluation
    if is_evaluation(run) and run_recipe(run) is None:
        _evaluation(run / "report.html", output, language)
        return
    from truing.core.words import speaking
    from truing.reports.page import write_report
    from truing.reports.run import read_run, run_report, state_text

    found = read_run(run)
    with speaking(console_language()):
        state = state_text(found)
    target = output or run / "report.html"
    with speaking(language), doing(message("drawing its curves")):
        write_report(run_report(found), target)
    said = "{state} The report is in {path}"
    say(message(said, state=state, path=target))
    if not found.done:
        why = message("the recipe whose output is {run}: goes on where it stopped", run=run)
        next_step(command("train", "RECIPE"), why)
    elif found.reward is not None:
        next_step(command("score", "ROWS", model=run), "score responses it has not seen")
    else:
        next_step(command("chat", run, against=found.asked["policy"]), "talk to it, before and after")


def _evaluation(page: Path, output: Path | None, language: Language) -> None:
    """An evaluation writes its own page."""
    if language != "en":
        said = "an evaluation's page is written by `truing eval`, in the language that its recipe asks for"
        again = "run the same `truing eval` command with --set page_language={language}"
        raise UsageError(message(said), hint=message(again, language=language))
    if not page.exists():
        said = message("an evaluation's page is written by `truing eval`, and is missing: {path}", path=page)
        raise UsageError(said, hint=message("run the same `truing eval` command again"))
    if output is not None:
        there = "an evaluation's page is written by `truing eval`, and is already there: {path}"
        raise UsageError(message(there, path=page), hint=message("copy it"))
    say(message("The report of this evaluation is already there: {path}", path=page))
    next_step(command("report", page.parent, "OTHER"), "compare it with another evaluation")


def _compare(paths: Sequence[Path], target: Path, language: Language) -> None:
    with doing(message("reading {n} runs", n=len(paths))):
        from truing.core.words import speaking
        from truing.reports.compare.page import comparison_report
        from truing.reports.compare.read import read_subjects
        from truing.reports.page import write_report
    subjects = read_subjects(paths)
    with speaking(language):
        found = comparison_report(subjects)
        write_report(found, target)
    if language != console_language():
        with speaking(console_language()):
            found = comparison_report(subjects)
    if found.summary:
        say(found.summary)
    say(message("The comparison is in {path}", path=target))
    next_step(opening(target), "curves, numbers and answers side by side")
