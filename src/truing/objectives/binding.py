"""Find a loss by name, list its arguments, and check its hyper-parameters: the signature is the schema.

A `Mixture` of several losses lists its arguments itself. An objective makes a record for each pass; a loss is
called with the results of those of the record's methods that are named after its arguments.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from truing.config.foreign import ours_of
from truing.config.imports import closest
from truing.config.names import require_loss
from truing.config.options import keyword_defaults
from truing.core.errors import ConfigError

Scalar = bool | int | float | str
Hyper = Scalar | Mapping[str, Scalar]  # a mapping where the parts of a mix have each a default of its own
Loss = Callable[..., Tensor]
Value = TypeVar("Value")
EMPTY: Mapping[str, Hyper] = {}


def checked(key: str, value: Hyper, default: Hyper) -> Hyper:
    """Return a hyper-parameter's value, checked to be of the same kind as its default; `true` is not 1."""
    for one in default.values() if isinstance(default, Mapping) else (default,):
        expected, is_right = {
            bool: ("true or false", isinstance(value, bool)),
            str: ("a word", isinstance(value, str)),
        }.get(type(one), ("a number", isinstance(value, int | float) and not isinstance(value, bool)))
        if not is_right:
            raise ConfigError(f"loss.{key} is {value!r}: expected {expected}")
    return value


def lookup(table: Mapping[str, Loss], name: str, method: str = "") -> Loss:
    """The named loss."""
    require_loss(name, table, method)
    return table[name]


def filled(
    name: str, loss: Loss, hyper: Mapping[str, Hyper], options: Mapping[str, Hyper] = EMPTY
) -> dict[str, Hyper]:
    """Return all hyper-parameters of a loss: those in `hyper` as given, the others at their defaults.

    `options` are keys that the objective reads itself: `hyper` may hold them, the result leaves them out.
    """
    own = defaults_of(loss)
    takes = {**own, **options}
    for key, value in hyper.items():
        if key not in takes:
            raise unknown_hyper(name, key, takes)
        checked(key, value, takes[key])
    return {key: hyper.get(key, default) for key, default in own.items()}


def unknown_hyper(name: str, key: str, takes: Iterable[str]) -> ConfigError:
    """Return the error about a key under `loss:` that neither the loss `name` nor its method takes."""
    known, ours = sorted(takes), ours_of(key)
    end = closest(key, known) if ours is None or ours.key == f"loss.{key}" else f"; {ours}"
    return ConfigError(f"{name} takes {known}, not {key!r}{end}")


@dataclass(frozen=True)
class Term:
    """One loss of a mixture, under the name that a recipe gives it."""

    name: str
    loss: Loss
    weight: float = 1.0

    def hyper(self, given: Mapping[str, Hyper]) -> dict[str, Any]:
        """Return those hyper-parameters of a mixture that this loss takes."""
        own = {key: given[key] for key in defaults_of(self.loss)}
        return {key: value[self.name] if isinstance(value, Mapping) else value for key, value in own.items()}


@dataclass(frozen=True)
class Mixture:
    """Several losses as one: the weighted sum of their values, called like any other loss.

    Where terms differ in a default, the default of the mixture maps each term to its own. A value that a
    recipe sets goes to all terms.
    """

    terms: tuple[Term, ...]
    arguments: tuple[str, ...]  # the union of the terms' arguments
    defaults: Mapping[str, Hyper]

    @property
    def name(self) -> str:
        return " + ".join(f"{term.weight:g} {term.name}" for term in self.terms)

    def __call__(self, **given: Any) -> Tensor:
        """Return one number per item, as each of the terms does."""
        hyper = {key: given.get(key, default) for key, default in self.defaults.items()}
        values = [
            term.weight * term.loss(**pick(term.loss, given), **term.hyper(hyper)) for term in self.terms
        ]
        return torch.stack(values).sum(0)


def arguments_of(loss: Loss) -> list[str]:
    """Return the names of a loss's positional arguments: the quantities it is a function of."""
    if isinstance(loss, Mixture):
        return list(loss.arguments)
    parameters = inspect.signature(loss).parameters.values()
    return [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]


def defaults_of(loss: Loss) -> dict[str, Hyper]:
    """Return the keyword-only arguments of a loss with their defaults."""
    if isinstance(loss, Mixture):
        return dict(loss.defaults)
    return keyword_defaults(loss)


def needs(loss: Loss, argument: str) -> bool:
    """Tell whether a loss takes a positional argument of that name: only `ref` makes a reference run."""
    return argument in arguments_of(loss)


def pick(loss: Loss, given: Mapping[str, Value]) -> dict[str, Value]:
    """Return those of the given values that a loss takes as arguments."""
    asked = arguments_of(loss)
    return {key: value for key, value in given.items() if key in asked}


def supply(loss: Loss, supplies: object) -> dict[str, Any]:
    """Return the arguments of a loss, each from the method of its name; the other methods are not called."""
    return {key: getattr(supplies, key)() for key in names_of(type(supplies)) if needs(loss, key)}


def names_of(supplies: type) -> tuple[str, ...]:
    """List the arguments that a loss may ask for, in the order of the methods: the trained one first."""
    return tuple(name for name, one in vars(supplies).items() if callable(one) and name[0] != "_")


def number_of(hyper: Mapping[str, Hyper], key: str, default: float = 1.0) -> float:
    """Return a hyper-parameter that is one number, or `default` where parts of a mix differ in it."""
    value = hyper.get(key, default)
    return float(value) if isinstance(value, int | float) else default
