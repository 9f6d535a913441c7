"""An evaluation with its page: measure, write after every task, show at the end."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from truing.config.evaluation import REPORT, EvalRecipe
from truing.core.messages import Say
from truing.core.words import speaking
from truing.evals.bench import TaskWatch
from truing.evals.run import Evaluation, evaluate, write_evaluation
from truing.models.trained import Trained
from truing.reports.evaluation import evaluation_report
from truing.reports.page import write_report


def evaluate_recipe(
    recipe: EvalRecipe, say: Say, watch: TaskWatch, opened: Mapping[str, Trained] = MappingProxyType({})
) -> Evaluation:
    """Measure a recipe, and write `results.json`, `items.jsonl` and the page into the recipe's `output`.

    `opened` is that of `evaluate`. Missed gates raise no error here: see `require_passed`.
    """
    folder = Path(recipe.output)
    done = evaluate(recipe, say, watch, keep=lambda part: write_evaluation(part, folder), opened=opened)
    write_evaluation(done, folder)
    with speaking(recipe.page_language):
        write_report(evaluation_report(done), folder / REPORT)
    return done
