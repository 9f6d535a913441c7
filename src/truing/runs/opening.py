"""From a recipe to its session, for offline and online methods."""

from pathlib import Path
from typing import TYPE_CHECKING

from truing.config.names import ONLINE_METHODS
from truing.config.reads import require_read
from truing.config.recipe import Recipe
from truing.core.messages import Say
from truing.runs.idle import idle_settings
from truing.runs.rehearsal import rehearse
from truing.runs.session import Session, open_session

if TYPE_CHECKING:
    from truing.runs.online_session import OnlineSession


def open_run(
    recipe: Recipe,
    say: Say = lambda line: None,
    *,
    aside: Path | None = None,
    first_step: bool = False,
) -> "Session | OnlineSession":
    """Open the session of a recipe; nothing is trained yet. Raises ConfigError for an unknown method.

    With `first_step` the session serves its first step alone. `say` is told which settings do nothing.
    """
    require_read(recipe)
    session: Session | OnlineSession
    if recipe.method in ONLINE_METHODS:
        from truing.runs.online_opening import open_online  # brings samplers, rewards and judges along

        session = open_online(recipe, say, aside=aside)
        rehearse(session.scorer, recipe)
    else:
        session = open_session(recipe, say, aside=aside, first_step=first_step)
    for line in idle_settings(recipe, session.chosen):
        say(line)
    return session
