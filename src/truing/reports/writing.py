"""Write the pages of run folders and evaluations to the places where a reader looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from truing.config.evaluation import REPORT
from truing.config.run_folder import require_there, run_recipe
from truing.core.doing import doing
from truing.core.errors import UsageError
from truing.core.languages import Language
from truing.core.messages import message
from truing.core.words import speaking
from truing.reports.compare.page import comparison_report
from truing.reports.compare.read import is_evaluation, read_subjects
from truing.reports.page import write_report
from truing.reports.records import Report
from truing.reports.run import RunRecord, read_run, run_report


@dataclass(frozen=True)
class Written:
    """A page and its source: one run, or a comparison; neither for an evaluation's own page."""

    page: Path
    run: RunRecord | None = None
    comparison: Report | None = None


def write_page(path: Path, target: Path | None, language: Language) -> Written:
    """Write the page of a run folder; return the existing page of an evaluation.

    `target` is by default `report.html` in the folder. Raises UsageError for any other folder, and for an
    evaluation whose page is missing, or requested in another place or language.
    """
    require_there([path])
    if is_evaluation(path) and run_recipe(path) is None:
        return Written(_page_of_evaluation(path / REPORT, target, language))
    found = read_run(path)
    page = target or path / REPORT
    with speaking(language), doing(message("drawing its curves")):
        write_report(run_report(found), page)
    return Written(page, run=found)


def write_comparison(paths: Sequence[Path], page: Path, language: Language) -> Written:
    """Write one page of several runs or evaluations."""
    require_there(paths)
    with speaking(language):
        found = comparison_report(read_subjects(paths))
        write_report(found, page)
    return Written(page, comparison=found)


def _page_of_evaluation(page: Path, target: Path | None, language: Language) -> Path:
    if language != "en":
        said = "an evaluation's page is written by `truing eval`, in the language that its recipe asks for"
        again = "run the same `truing eval` command with --set page_language={language}"
        raise UsageError(message(said), hint=message(again, language=language))
    if not page.exists():
        said = message("an evaluation's page is written by `truing eval`, and is missing: {path}", path=page)
        raise UsageError(said, hint=message("run the same `truing eval` command again"))
    if target is not None:
        there = "an evaluation's page is written by `truing eval`, and is already there: {path}"
        raise UsageError(message(there, path=page), hint=message("copy it"))
    return page
