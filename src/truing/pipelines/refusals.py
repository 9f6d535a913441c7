"""Refusals with their page, and a recipe that trains on their rows."""

from collections.abc import Mapping
from types import MappingProxyType

from truing.config.recipe import Recipe
from truing.config.refusals import RefusalsRecipe
from truing.core.messages import Say
from truing.core.words import speaking
from truing.evals.bench import TaskWatch
from truing.models.trained import Trained
from truing.pipelines.budget import ALL, Schedule
from truing.pipelines.quickstart import recipe_of, sft
from truing.pipelines.train_file import write_training
from truing.redteam.refusals import RETAIN, SFT, Refusals, make_refusals
from truing.reports.page import write_report
from truing.reports.refusals import refusals_report
from truing.synthesis.work import REPORT


def refusals_recipe(
    recipe: RefusalsRecipe,
    say: Say,
    watch: TaskWatch,
    opened: Mapping[str, Trained] = MappingProxyType({}),
) -> Refusals:
    """Make the rows of a recipe in its `output`, the page, and `train.yaml`, a recipe that learns from them.

    `opened` is that of `make_refusals`. A model behind an address or in memory has no `train.yaml`; one that
    is there already stays.
    """
    done = make_refusals(recipe, say, watch, opened)
    with speaking(recipe.page_language):
        write_report(refusals_report(done), done.path / REPORT)
    if isinstance(done.policy_spec, str) and done.policy_spec not in opened:
        write_training(done.path, training_of(done.policy_spec, done))
    return done


def training_of(policy: str, done: Refusals, schedule: Schedule = ALL) -> Recipe:
    """Return the recipe of SFT on the refusals in a folder, held to the retained answers.

    It is the quickstart's: an adapter on the upper half of the layers, and an exact KL on what is retained,
    all of which an epoch goes through.
    """
    retained = len(done.retain) / max(1, len(done.sft))
    recipe = recipe_of(policy, sft(schedule, retained), "auto")
    files = {"train": [str(done.path / SFT)], "retain": [str(done.path / RETAIN)]}
    return Recipe.model_validate(
        {
            **recipe,
            "data": {**files, **recipe["data"]},
            "output": str(done.path / "sft"),
        }
    )
