"""Feedback with its page, and a recipe that trains on its rows."""

from collections.abc import Mapping
from types import MappingProxyType

from truing.config.feedback import FeedbackRecipe
from truing.core.messages import Say
from truing.core.words import speaking
from truing.evals.bench import TaskWatch
from truing.models.trained import Trained
from truing.pipelines.train_file import learning, write_training
from truing.reports.feedback import feedback_report
from truing.reports.page import write_report
from truing.synthesis.feedback import Feedback, make_feedback
from truing.synthesis.work import REPORT, ROWS


def feedback_recipe(
    recipe: FeedbackRecipe, say: Say, watch: TaskWatch, opened: Mapping[str, Trained] = MappingProxyType({})
) -> Feedback:
    """Make the rows of a recipe in its `output`, the page, and `train.yaml`, a recipe that learns from them.

    It trains the first policy; one that is there already stays. `opened` is that of `make_feedback`.
    """
    done = make_feedback(recipe, say, watch, opened)
    with speaking(recipe.page_language):
        write_report(feedback_report(done), done.path / REPORT)
    if done.rows:
        write_training(done.path, learning(method_of(done), recipe.policies[0], done.path / ROWS))
    return done


def method_of(done: Feedback) -> str:
    """Return the method that learns from the rows: DPO from pairs, SFT from the best responses."""
    return "sft" if done.recipe.select == "best_of_n" else "dpo"
