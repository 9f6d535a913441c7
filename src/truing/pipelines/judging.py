"""A judging with its folder and page: open, ask, write rows, verdicts, numbers and the report."""

from typing import Any

from truing.config.judging import JudgingRecipe
from truing.core.messages import Say
from truing.core.words import speaking
from truing.evals.bench import TaskWatch
from truing.judges.budget import Estimate
from truing.reports.judging import judging_report
from truing.reports.page import write_report
from truing.synthesis.judging.audit import JudgeAudit, audit
from truing.synthesis.judging.rows import VERB, told, trainable
from truing.synthesis.judging.run import VERDICTS, JudgedRows, OpenPanel, estimates, judge_rows, open_panel
from truing.synthesis.judging.summary import results
from truing.synthesis.work import REPORT, answers_in, work_folder


def judge_files(
    recipe: JudgingRecipe, say: Say, watch: TaskWatch
) -> tuple[JudgedRows, list[JudgeAudit], dict[str, Any]]:
    """Judge the rows of a recipe in its folder; return the verdicts, the audit and `results.json`.

    All files are written also where the asking ended early; see `run.require_answered`. Raises ConfigError
    for a folder with another request, DataError for rows without responses.
    """
    opened = open_panel(recipe, say, answers_in(recipe.output))
    with work_folder(recipe.output, VERB, opened.asked) as folder:
        done = judge_rows(opened, watch)
        audits = audit(done) if recipe.audit else []
        folder.write_rows(told(done), VERDICTS)
        folder.write_rows(trainable(done))
        found = results(done, audits)
        folder.write_results(found)
        with speaking(recipe.page_language):
            write_report(judging_report(done, audits), folder.path / REPORT)
    return done, audits, found


def dry_run(recipe: JudgingRecipe, say: Say) -> tuple[OpenPanel, list[Estimate]]:
    """Return the most that each judge may be asked beyond what the folder keeps; nothing is asked."""
    answers = answers_in(recipe.output)
    opened = open_panel(recipe, say, answers if answers.path.exists() else None)
    return opened, estimates(opened)
