"""An evaluation with its page: measure, write after every task, show at the end."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

from truing.config.evaluation import REPORT, EvalRecipe
from truing.core.messages import Say
from truing.core.words import speaking
from truing.evals.bench import TaskWatch
from truing.evals.kept import UNDER_WAY
from truing.evals.run import Evaluation, evaluate, write_evaluation
from truing.judges.cache import AnswerCache
from truing.models.trained import Trained
from truing.reports.evaluation import evaluation_report
from truing.reports.page import write_report


def evaluate_recipe(
    recipe: EvalRecipe, say: Say, watch: TaskWatch, opened: Mapping[str, Trained] = MappingProxyType({})
) -> Evaluation:
    """Measure a recipe, and write `results.json`, `items.jsonl` and the page into the recipe's `output`.

    The models' responses are kept there until the end, so that the same call goes on where one was killed;
    a void evaluation, which is to be run again, leaves them. `opened` is that of `evaluate`. Missed gates
    raise no error here: see `require_passed`.
    """
    folder = Path(recipe.output)
    with closing(AnswerCache(folder / UNDER_WAY)) as answers:
        done = evaluate(
            recipe, say, watch, lambda part: write_evaluation(part, folder), opened, answers=answers
        )
    write_evaluation(done, folder)
    with speaking(recipe.page_language):
        write_report(evaluation_report(done), folder / REPORT)
    if not done.void:
        answers.path.unlink(missing_ok=True)
    return done
