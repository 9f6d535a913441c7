"""Feedback with its page, and a recipe that trains on its rows."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from truing.config.feedback import FeedbackRecipe
from truing.core.files import write_atomic
from truing.core.messages import Say
from truing.core.words import speaking
from truing.evals.bench import TaskWatch
from truing.models.trained import Trained
from truing.pipelines.starter import starting, write_recipe
from truing.reports.feedback import feedback_report
from truing.reports.page import write_report
from truing.synthesis.feedback import Feedback, make_feedback
from truing.synthesis.work import REPORT, ROWS

TRAIN = "train.yaml"


def feedback_recipe(
    recipe: FeedbackRecipe, say: Say, watch: TaskWatch, opened: Mapping[str, Trained] = MappingProxyType({})
) -> Feedback:
    """Make the rows of a recipe in its `output`, the page, and `train.yaml`, a recipe that learns from them.

    `opened` is that of `make_feedback`. A `train.yaml` that is there already stays.
    """
    done = make_feedback(recipe, say, watch, opened)
    with speaking(recipe.page_language):
        write_report(feedback_report(done), done.path / REPORT)
    if done.rows:
        write_training(done.path / TRAIN, method_of(done), policy_of(recipe), done.path / ROWS)
    return done


def method_of(done: Feedback) -> str:
    """Return the method that learns from the rows: DPO from pairs, SFT from the best responses."""
    return "sft" if done.recipe.select == "best_of_n" else "dpo"


def policy_of(recipe: FeedbackRecipe) -> str:
    """Return the first policy: a model on this machine, or the name of one on a server."""
    first = recipe.policies[0]
    return first if isinstance(first, str) else str(first.get("path", first.get("model")))


def write_training(path: Path, method: str, policy: str, rows: Path) -> None:
    """Write a recipe that trains a policy on a file of rows, unless the file is there."""
    if not path.exists():
        recipe = starting(method, policy=policy, rows=str(rows), output=str(path.parent / method))
        write_atomic(path, write_recipe(recipe).encode())
