"""`truing.report`: one HTML file that shows a run, or several side by side."""

from pathlib import Path

from truing.api.evaluating import Evaluated
from truing.api.training import Run
from truing.core.languages import Language


def report(
    *runs: "Run | Evaluated | str | Path",
    output: str | Path | None = None,
    language: Language = "en",
) -> Path:
    """Write a run's curves, numbers, data and recipe, or a comparison of several, and return the page.

        truing.report(run)                                  runs/…/report.html
        truing.report(run, "runs/other", output="two.html")

    `runs` are runs, finished or interrupted, and evaluations; one page compares several, by default
    `comparison.html` in the working folder. The page loads nothing from any network. An evaluation alone has
    its page already, which is returned. Raises UsageError for any other folder, DataError for a run before
    its first step.
    """
    from truing.reports.writing import write_comparison, write_page

    paths = [one.path if isinstance(one, Run | Evaluated) else Path(one) for one in runs]
    if len(paths) == 1:
        return write_page(paths[0], Path(output) if output is not None else None, language).page
    return write_comparison(paths, Path(output or "comparison.html"), language).page
