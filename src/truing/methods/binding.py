"""Find a loss by name and check its hyper-parameters: the signature is the schema."""

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from truing.core.errors import ConfigError

Hyper = bool | int | float | str
Loss = Callable[..., Tensor]


def closest(name: str, known: Sequence[str]) -> str:
    """The end of a message about an unknown name: the known one it may have meant, if any is near."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def number(key: str, value: Hyper) -> float:
    """The value of a hyper-parameter, which is a number; `true` is not 1."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"loss.{key} is {value!r}: expected a number")
    return value


def lookup(
    table: Mapping[str, Loss], name: str, hyper: Mapping[str, Hyper], extras: Sequence[str] = ()
) -> Loss:
    """The named loss, once its hyper-parameters are known to exist. `extras` are known beside its own."""
    if name not in table:
        raise ConfigError(
            f"no loss {name!r} for this method; known: {', '.join(sorted(table))}"
            + closest(name, sorted(table))
        )
    loss = table[name]
    takes = sorted([*inspect.getfullargspec(loss).kwonlyargs, *extras])
    for key, value in hyper.items():
        if key not in takes:
            raise ConfigError(f"{name} takes {takes}, not {key!r}{closest(key, takes)}")
        number(key, value)
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
