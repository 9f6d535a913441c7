"""Negatives with their page, and a recipe that trains on their rows."""

from collections.abc import Mapping
from types import MappingProxyType

from truing.config.names import SMALL_MODEL
from truing.config.negatives import NegativesRecipe
from truing.config.recipe import Recipe
from truing.core.messages import Say
from truing.core.words import speaking
from truing.evals.bench import TaskWatch
from truing.models.trained import Trained
from truing.pipelines.train_file import learning, write_training
from truing.reports.negatives import negatives_report
from truing.reports.page import write_report
from truing.synthesis.negatives.run import Negatives, make_negatives
from truing.synthesis.work import REPORT, ROWS

HOLD = 1.0  # weight of the true answer's likelihood beside the loss, where two answers are too alike


def negatives_recipe(
    recipe: NegativesRecipe,
    say: Say,
    watch: TaskWatch,
    opened: Mapping[str, Trained] = MappingProxyType({}),
) -> Negatives:
    """Make the rows of a recipe in its `output`, the page, and `train.yaml`, a recipe that learns from them.

    `train.yaml` trains the policy of the recipe, else SmolLM2. A `train.yaml` that is there already stays.
    """
    done = make_negatives(recipe, say, watch, opened)
    with speaking(recipe.page_language):
        write_report(negatives_report(done), done.path / REPORT)
    if done.pairs:
        write_training(done.path, training_of(done))
    return done


def training_of(done: Negatives) -> Recipe:
    """Return a recipe of DPO on the rows, with a term that holds the true answers where pairs are alike."""
    found = learning("dpo", done.recipe.policy or SMALL_MODEL, done.path / ROWS)
    if done.too_alike:
        found = found.model_copy(update={"loss": found.loss.model_copy(update={"sft_weight": HOLD})})
    return found
