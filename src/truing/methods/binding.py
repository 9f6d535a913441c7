"""Find a loss by name and check its hyper-parameters: the signature is the schema."""

import difflib
import inspect
from collections.abc import Callable, Mapping

from torch import Tensor

from truing.core.errors import ConfigError

Hyper = bool | int | float | str
Loss = Callable[..., Tensor]


def _closest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def lookup(table: Mapping[str, Loss], name: str, hyper: Mapping[str, Hyper]) -> Loss:
    """The named loss, once its hyper-parameters are known to exist."""
    if name not in table:
        raise ConfigError(
            f"no loss {name!r} for this method; known: {', '.join(sorted(table))}"
            + _closest(name, sorted(table))
        )
    loss = table[name]
    takes = inspect.getfullargspec(loss).kwonlyargs
    for key, value in hyper.items():
        if key not in takes:
            raise ConfigError(f"{name} takes {sorted(takes)}, not {key!r}{_closest(key, takes)}")
        if not isinstance(value, int | float):
            raise ConfigError(f"loss.{key} is {value!r}: expected a number")
    return loss


def defaults_of(loss: Loss) -> dict[str, Hyper]:
    """The keyword-only arguments of a loss and the values they have when nobody sets them."""
    return dict(inspect.getfullargspec(loss).kwonlydefaults or {})


def needs(loss: Loss, argument: str) -> bool:
    """Whether a loss takes a positional argument of that name: `ref` is what makes a reference run."""
    return argument in inspect.getfullargspec(loss).args


def pick(loss: Loss, given: Mapping[str, object]) -> dict[str, object]:
    """Of all that could be supplied, what this loss asks for."""
    return {key: value for key, value in given.items() if needs(loss, key)}
