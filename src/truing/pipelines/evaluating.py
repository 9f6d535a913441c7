"""An evaluation with its page: measure, write after every task, show at the end."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

from truing.config.evaluation import REPORT, EvalRecipe
from truing.core.messages import Say
from truing.core.words import speaking
from truing.evals.bench import TaskWatch
from truing.evals.drawing import dismiss
from truing.evals.kept import UNDER_WAY
from truing.evals.run import Evaluation, evaluate, follow_evaluation, write_evaluation
from truing.judges.cache import ANSWERS, AnswerCache
from truing.models.trained import Trained
from truing.models.world import World, apart
from truing.reports.evaluation import evaluation_report
from truing.reports.page import write_report


def evaluate_together(recipe: EvalRecipe, here: World, say: Say, watch: TaskWatch) -> Evaluation | None:
    """Measure a recipe on all ranks: each draws its share of the responses, rank 0 does the rest.

    Returns None on the other ranks. Call it on every rank, within `joined`.
    """
    if not here.main:
        follow_evaluation(recipe, here)
        return None
    with apart():
        done = evaluate_recipe(recipe, say, watch, here=here)
    dismiss(here)
    return done


def evaluate_recipe(
    recipe: EvalRecipe,
    say: Say,
    watch: TaskWatch,
    opened: Mapping[str, Trained] = MappingProxyType({}),
    here: World | None = None,
) -> Evaluation:
    """Measure a recipe, and write `results.json`, `items.jsonl` and the page into the recipe's `output`.

    The models' responses are kept there until the end, so that the same call goes on where one was killed;
    a void evaluation, which is to be run again, leaves them. `opened` and `here` are those of `evaluate`.
    Missed gates raise no error here: see `require_passed`.
    """
    folder = Path(recipe.output)
    with closing(AnswerCache(folder / UNDER_WAY)) as answers:

        def keep(part: Evaluation) -> None:
            write_evaluation(part, folder)

        done = evaluate(recipe, say, watch, keep, opened, answers=answers, here=here)
    write_evaluation(done, folder)
    with speaking(recipe.page_language):
        write_report(evaluation_report(done), folder / REPORT)
    AnswerCache(folder / ANSWERS).forget_failures()
    if not done.void:
        answers.path.unlink(missing_ok=True)
    return done
