"""Find a loss by name and check its hyper-parameters: the signature is the schema."""

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from truing.core.errors import ConfigError

Hyper = bool | int | float | str
Loss = Callable[..., Tensor]
EMPTY: Mapping[str, Hyper] = {}


def closest(name: str, known: Sequence[str]) -> str:
    """The end of a message about an unknown name: the known one it may have meant, if any is near."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def checked(key: str, value: Hyper, default: Hyper) -> Hyper:
    """The value of a hyper-parameter, which is of the kind its default is of; `true` is not 1."""
    expected, is_right = {
        bool: ("true or false", isinstance(value, bool)),
        str: ("a word", isinstance(value, str)),
    }.get(type(default), ("a number", isinstance(value, int | float) and not isinstance(value, bool)))
    if not is_right:
        raise ConfigError(f"loss.{key} is {value!r}: expected {expected}")
    return value


def lookup(
    table: Mapping[str, Loss], name: str, hyper: Mapping[str, Hyper], options: Mapping[str, Hyper] = EMPTY
) -> Loss:
    """The named loss, once its hyper-parameters are known to exist. `options` are known beside its own."""
    if name not in table:
        raise ConfigError(
            f"no loss {name!r} for this method; known: {', '.join(sorted(table))}"
            + closest(name, sorted(table))
        )
    loss = table[name]
    takes = {**defaults_of(loss), **options}
    for key, value in hyper.items():
        if key not in takes:
            raise ConfigError(f"{name} takes {sorted(takes)}, not {key!r}{closest(key, sorted(takes))}")
        checked(key, value, takes[key])
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
