"""`report`: one HTML file that shows a run, or several side by side, to somebody who was not there."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from truing.cli.commands import command, opening
from truing.cli.language import console_language
from truing.cli.show import next_step, say
from truing.core.doing import doing
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
    from truing.config.run_folder import require_there

    require_there(runs)
    if len(runs) > 1:
        _compare(runs, output or COMPARISON, language)
    else:
        _one(runs[0], output, language)


def _one(run: Path, output: Path | None, language: Language) -> None:
    with doing(message("reading {path}", path=run)):
        from truing.core.words import speaking
        from truing.reports.run import state_text
        from truing.reports.writing import write_page
    written = write_page(run, output, language)
    found = written.run
    if found is None:
        say(message("The report of this evaluation is already there: {path}", path=written.page))
        next_step(command("report", run, "OTHER"), "compare it with another evaluation")
        return
    with speaking(console_language()):
        state = state_text(found)
    said = "{state} The report is in {path}"
    say(message(said, state=state, path=written.page))
    if not found.done:
        why = message("the recipe whose output is {run}: goes on where it stopped", run=run)
        next_step(command("train", "RECIPE"), why)
    elif found.reward is not None:
        next_step(command("score", "ROWS", model=run), "score responses it has not seen")
    else:
        next_step(command("chat", run, against=found.asked["policy"]), "talk to it, before and after")


def _compare(paths: Sequence[Path], target: Path, language: Language) -> None:
    with doing(message("reading {n} runs", n=len(paths))):
        from truing.core.words import speaking
        from truing.reports.compare.page import comparison_report
        from truing.reports.compare.read import read_subjects
        from truing.reports.writing import write_comparison
    written = write_comparison(paths, target, language)
    found = written.comparison
    if language != console_language():
        with speaking(console_language()):
            found = comparison_report(read_subjects(paths))
    if found is not None and found.summary:
        say(found.summary)
    say(message("The comparison is in {path}", path=written.page))
    next_step(opening(written.page), "curves, numbers and answers side by side")
