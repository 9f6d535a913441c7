"""Names of rewards that a recipe may use, known before torch is imported.

`build` opens the rewards behind the names. To add a reward by rule, add a row to `RULES`.
"""

from truing.config.imports import is_import, require_import
from truing.config.names import OWN
from truing.config.rewards import ASKED, MODEL
from truing.config.tables import unknown
from truing.rewards.rules import RULES


def require_reward(name: str) -> None:
    """Raise ConfigError for an unknown reward; `module:function` is imported later."""
    if is_import(name):
        require_import(name)
    elif name not in (*RULES, MODEL, *ASKED):
        raise unknown("reward", name, (*RULES, MODEL, *ASKED), hint=OWN)
