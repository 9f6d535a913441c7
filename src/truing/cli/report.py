"""`report`: one HTML file that shows a run to somebody who was not there."""

from pathlib import Path
from typing import Annotated

import typer

from truing.cli.show import next_step, say


def report(
    run: Annotated[Path, typer.Argument(help="A run folder, finished or interrupted.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option(help="Where the page goes, instead of report.html in the run folder.")
    ] = None,
) -> None:
    """Write a run's curves, numbers, data and recipe as one HTML file that loads nothing from any network."""
    from truing.evals.report import write_report
    from truing.evals.run_report import read_run, run_report, state_text

    found = read_run(run)
    target = output or run / "report.html"
    write_report(run_report(found), target)
    say(f"{state_text(found)} The report is in {target}")
    if not found.done:
        next_step("truing train RECIPE", f"the recipe whose output is {run}: goes on where it stopped")
    elif found.reward is not None:
        next_step(f"truing score ROWS --model {run}", "score responses it has not seen")
    else:
        next_step(f"truing chat {run} --against {found.asked['policy']}", "talk to it, before and after")
