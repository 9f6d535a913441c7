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
    require_read(recipe)
    if recipe.method in ONLINE:
        return open_online(recipe, say, aside=aside)
    return open_session(recipe, say, aside=aside)


def require_read(recipe: Recipe) -> None:
    """Raises ConfigError for a method that is none, and for keys that the method does not read."""
    if recipe.method not in OFFLINE | ONLINE:
        known = sorted([*OFFLINE, *ONLINE])
        raise ConfigError(
            f"no method {recipe.method!r}; known: {', '.join(known)}{closest(recipe.method, known)}"
        )
    data = recipe.data
    if recipe.method in ONLINE:
        unread = {"data.retain": data.retain, "data.unpair": data.unpair, "data.tokens": data.tokens != "all"}
        hint = "leave it out"
    else:
        unread = {"rewards": recipe.rewards, "data.ptx": data.ptx}
        hint = f"leave it out, or train online: {', '.join(ONLINE)}"
    for key, is_set in unread.items():
        if is_set:
            raise ConfigError(f"{key} is not read by {recipe.method}", hint=hint)
