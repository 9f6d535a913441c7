"""A red teaming with its page."""

from collections.abc import Mapping
from types import MappingProxyType

from truing.config.red_team import RedTeamRecipe
from truing.core.messages import Say
from truing.core.words import speaking
from truing.evals.bench import TaskWatch
from truing.models.trained import Trained
from truing.redteam.record import RedTeam
from truing.redteam.run import red_team
from truing.reports.page import write_report
from truing.reports.red_team import red_team_report
from truing.synthesis.work import REPORT


def red_team_recipe(
    recipe: RedTeamRecipe, say: Say, watch: TaskWatch, opened: Mapping[str, Trained] = MappingProxyType({})
) -> RedTeam:
    """Attack a model as a recipe says, and write the page beside the other files in its `output`.

    `opened` is that of `red_team`.
    """
    done = red_team(recipe, say, watch, opened)
    with speaking(recipe.page_language):
        write_report(red_team_report(done), done.path / REPORT)
    return done
