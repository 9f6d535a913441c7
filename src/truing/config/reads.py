"""The keys of a recipe that some methods read and others do not; every other key is read by all of them.

To add a key that not every method reads: a row in `PARTICULAR` and its name beside each method that reads it.
"""

from collections.abc import Callable, Mapping

from truing.config.names import ONLINE_METHODS, require_method
from truing.config.online import CriticSection, Online, SamplingSection
from truing.config.recipe import Data, Recipe
from truing.core.errors import ConfigError
from truing.core.messages import message


def _in_data(name: str) -> Callable[[Recipe], bool]:
    """Return a function that tells whether this key under `data:` differs from its default."""
    default = Data.model_fields[name].default
    return lambda recipe: getattr(recipe.data, name) != default


PARTICULAR: Mapping[str, Callable[[Recipe], bool]] = {  # and whether a recipe sets it
    "data.unpair": _in_data("unpair"),
    "data.one_class": _in_data("one_class"),
    "data.tokens": _in_data("tokens"),
    "data.retain": _in_data("retain"),
    "data.retain_weight": _in_data("retain_weight"),
    "data.retain_per_step": _in_data("retain_per_step"),
    "data.ptx": _in_data("ptx"),
    "data.ptx_weight": _in_data("ptx_weight"),
    "loss.mix": lambda recipe: recipe.loss.mix is not None,
    "reference": lambda recipe: recipe.reference is not None,
    "rewards": lambda recipe: bool(recipe.rewards),
    "sampling": lambda recipe: recipe.sampling != SamplingSection(),
    "online": lambda recipe: recipe.online != Online(),
    "critic": lambda recipe: recipe.critic != CriticSection(),
}
_OFFLINE = ("data.retain", "data.retain_weight", "data.retain_per_step")
_PAIRS = ("loss.mix", "reference", "data.tokens", *_OFFLINE)
_LABELS = ("loss.mix", "reference", "data.unpair", "data.one_class", *_OFFLINE)
_ONLINE = ("rewards", "sampling", "online", "critic", "reference", "data.ptx", "data.ptx_weight")
READS: Mapping[str, tuple[str, ...]] = {  # of `PARTICULAR`, by method
    "sft": ("loss.mix", *_OFFLINE),
    "dpo": _PAIRS,
    "cpo": _PAIRS,
    "simpo": _PAIRS,
    "orpo": _PAIRS,
    "kto": _LABELS,
    "bco": _LABELS,
    "reward": ("loss.mix",),
    **dict.fromkeys(ONLINE_METHODS, _ONLINE),
}


def require_read(recipe: Recipe) -> None:
    """Raise ConfigError for an unknown method, and for a set key that the method does not read."""
    require_method(recipe.method)
    own = READS[recipe.method]
    for key, is_set in PARTICULAR.items():
        if key not in own and is_set(recipe):
            readers = ", ".join(method for method, keys in READS.items() if key in keys)
            raise ConfigError(
                message("{key} is not read by {method}", key=key, method=recipe.method),
                hint=message(
                    "leave it out, or choose a method that reads it: {readers}; beside what every method "
                    "reads, {method} reads {keys}",
                    readers=readers,
                    method=recipe.method,
                    keys=", ".join(own),
                ),
            )
