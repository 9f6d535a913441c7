"""Names of rewards that a recipe may use, known before torch is imported.

`build` opens what they stand for. To add a reward by rule, add a row to `RULES`.
"""

from truing.config.imports import closest, is_import
from truing.config.rewards import JUDGE, MODEL
from truing.core.errors import ConfigError
from truing.rewards.rules import RULES


def require_reward(name: str) -> None:
    """Raises ConfigError for a reward that is none; `module:function` is looked up later."""
    known = [*RULES, MODEL, JUDGE]
    if name not in known and not is_import(name):
        raise ConfigError(
            f"no reward {name!r}; known: {', '.join(known)}{closest(name, known)}",
            hint="a function of your own is named module:function",
        )
