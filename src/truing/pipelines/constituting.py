"""A pass under a constitution with its folder and page: open, ask, write rows, counts and the report."""

from dataclasses import asdict
from typing import Any

from truing.config.constitution import ConstitutionRecipe
from truing.core.errors import RewardError
from truing.core.messages import Say, message
from truing.core.words import speaking
from truing.evals.bench import TaskWatch
from truing.models.trained import Trained
from truing.pipelines.train_file import learning, write_training
from truing.reports.constitution import constitution_report
from truing.reports.page import write_report
from truing.synthesis.constitution import counts
from truing.synthesis.constitution.rows import VERB, transcript, written
from truing.synthesis.constitution.run import ConstitutionPass, make, open_all
from truing.synthesis.work import REPORT, ROWS, WorkFolder, answers_in, work_folder

TRANSCRIPTS, SFT, PREFERENCES = "transcripts.jsonl", "sft.jsonl", "preferences.jsonl"


def constitute(
    recipe: ConstitutionRecipe, say: Say, watch: TaskWatch, model: Trained | None = None
) -> dict[str, Any]:
    """Make the rows of a recipe in its folder and return the content of `results.json`.

    Beside them lie the page and, where an answer was revised, `train.yaml`, which trains the policy by SFT;
    one that is there already stays. `model` is the policy where it is loaded already. Raises ConfigError for
    a folder with another request, and for a wrong part or constitution.
    """
    opened = open_all(recipe, answers_in(recipe.output), say, model)
    with work_folder(recipe.output, VERB, opened.asked) as folder:
        made = make(opened, watch)
        _write_rows(made, folder)
        results = results_of(made)
        folder.write_results(results)
        with speaking(recipe.page_language):
            write_report(constitution_report(made), folder.path / REPORT)
        if made.revisions:
            write_training(folder.path, learning("sft", recipe.policy, folder.path / SFT))
    return results


def _write_rows(made: ConstitutionPass, folder: WorkFolder) -> None:
    origins = made.opened.origins(made.opened.prompts)
    folder.write_rows((transcript(case, origins) for case in made.cases), TRANSCRIPTS)
    folder.write_rows(written(made.revisions, "prompt-completion"), ROWS)
    folder.write_rows(written(made.mixed, "prompt-completion"), SFT)
    folder.write_rows(written(made.preferences, "preference"), PREFERENCES)


def results_of(made: ConstitutionPass) -> dict[str, Any]:
    """Return every count, and what was warned of."""
    different, revised = counts.distinct(made.cases)
    before, after = counts.refusals(made.cases)
    first, last = counts.lengths(made.cases)
    return {
        "counts": counts.outcomes(made.cases),
        "rounds": counts.rounds(made.cases),
        "principles": counts.principles(made.cases),
        "declined": {"before": sum(before), "after": sum(after), "of": len(before)},
        "words": {"before": sum(first), "after": sum(last), "of": len(first)},
        "distinct": {"revisions": different, "of": revised},
        "rows": {"revisions": len(made.revisions), "helpful": len(made.helpful)},
        "pairs": asdict(made.pairs),
        "judged": made.opened.judge is not None,
        "models": made.opened.identities,
        "warnings": [f"{one.title}: {one.saw}" for one in counts.warnings(made.cases)],
    }


def require_answered(results: dict[str, Any], most: float) -> None:
    """Raise RewardError where more than that share of the prompts ended in an error."""
    errors, prompts = results["counts"]["errors"], results["counts"]["prompts"]
    if errors > most * prompts:
        raise RewardError(
            message("{n} of {all} prompts ended in an error", n=errors, all=prompts),
            hint=message("transcripts.jsonl gives the reason of each; max_errors is the share that may fail"),
        )
