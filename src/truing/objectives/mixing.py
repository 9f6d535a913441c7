"""Several losses as one: the weighted sum of their values, bound like any other loss.

    loss of an item  =  sum over parts of  weight * loss of the part

Weights are taken as they are, not made to add up to 1 (TRL's `loss_type: [...]`, `loss_weights: [...]`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Any

import torch
from torch import Tensor

from truing.objectives.binding import Hyper, Loss, Scalar, arguments_of, defaults_of, pick
from truing.objectives.shapes import Shape


@dataclass(frozen=True)
class Part:
    """A loss under the name that a recipe gives it, alone or in a mix."""

    name: str
    loss: Loss
    shapes: tuple[Shape, ...]  # those whose objective can supply what it takes, the first preferred
    weight: float = 1.0
    sha256: str = ""  # of the file of a function of the user's own

    def hyper(self, given: Mapping[str, Hyper]) -> dict[str, Any]:
        """Of the hyper-parameters of a mix, those of this part."""
        own = {key: given[key] for key in defaults_of(self.loss)}
        return {key: value[self.name] if isinstance(value, Mapping) else value for key, value in own.items()}


def mixture(parts: Sequence[Part]) -> Loss:
    """The parts as one loss, whose signature is the union of theirs.

    Where parts differ in a default, the default of the mix says which part has which: a value set in its
    place goes to all of them.
    """
    arguments = dict.fromkeys(name for part in parts for name in arguments_of(part.loss))
    defaults = _defaults(parts)

    def mixed(**given: Any) -> Tensor:
        hyper = {key: given.get(key, default) for key, default in defaults.items()}
        terms = [part.weight * part.loss(**pick(part.loss, given), **part.hyper(hyper)) for part in parts]
        return torch.stack(terms).sum(0)

    mixed.__name__ = " + ".join(f"{part.weight:g} {part.name}" for part in parts)
    mixed.__signature__ = Signature(  # pyright: ignore[reportFunctionMemberAccess]
        [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in arguments]
        + [Parameter(key, Parameter.KEYWORD_ONLY, default=default) for key, default in defaults.items()]
    )
    return mixed


def _defaults(parts: Sequence[Part]) -> dict[str, Hyper]:
    taken: dict[str, dict[str, Scalar]] = {}
    for part in parts:
        for key, default in defaults_of(part.loss).items():
            assert not isinstance(default, Mapping), "a part is no mix"
            taken.setdefault(key, {})[part.name] = default
    return {
        key: by_part if _differ(by_part) else next(iter(by_part.values())) for key, by_part in taken.items()
    }


def _differ(by_part: Mapping[str, Scalar]) -> bool:
    return len({(type(default), default) for default in by_part.values()}) > 1
