"""From a recipe to its session, whichever kind its method is of."""

from pathlib import Path

from truing.core.errors import ConfigError
from truing.core.imports import closest
from truing.core.recipe import Recipe
from truing.methods.offline import OFFLINE
from truing.methods.online import ONLINE
from truing.methods.online_opening import open_online
from truing.methods.online_session import OnlineSession
from truing.methods.rows import Say
from truing.methods.session import Session, open_session


def open_run(
    recipe: Recipe, say: Say = lambda line: None, *, aside: Path | None = None
) -> Session | OnlineSession:
    """All that a run of this recipe needs; nothing is trained yet. Raises ConfigError for no method."""
    if recipe.method in ONLINE:
        return open_online(recipe, say, aside=aside)
    if recipe.method not in OFFLINE:
        known = sorted([*OFFLINE, *ONLINE])
        raise ConfigError(
            f"no method {recipe.method!r}; known: {', '.join(known)}{closest(recipe.method, known)}"
        )
    unread = [
        key for key, is_set in {"rewards": recipe.rewards, "data.ptx": recipe.data.ptx}.items() if is_set
    ]
    if unread:
        raise ConfigError(
            f"{unread[0]} is not read by {recipe.method}, which samples nothing",
            hint=f"leave it out, or train online: {', '.join(ONLINE)}",
        )
    return open_session(recipe, say, aside=aside)
