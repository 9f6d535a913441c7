"""A hardening with its page."""

from truing.config.harden import HardenRecipe
from truing.core.messages import Say
from truing.core.words import speaking
from truing.pipelines.harden.page import hardening_report
from truing.pipelines.harden.rounds import ClosingWatch
from truing.pipelines.harden.run import Hardened, harden
from truing.reports.page import write_report
from truing.runs.train import StepWatch
from truing.synthesis.work import REPORT


def harden_recipe(recipe: HardenRecipe, say: Say, watch: ClosingWatch, steps: StepWatch) -> Hardened:
    """Run the rounds of a recipe, and write the page beside the other files in its `output`."""
    done = harden(recipe, say, watch, steps)
    with speaking(recipe.page_language):
        write_report(hardening_report(done), done.path / REPORT)
    return done
