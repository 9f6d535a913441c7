"""Several losses as one: the weighted sum of their values, bound like any other loss.

    loss of an item  =  sum over parts of  weight * loss of the part

Weights are taken as they are, not made to add up to 1 (TRL's `loss_type: [...]`, `loss_weights: [...]`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from truing.objectives.binding import Hyper, Loss, Mixture, Scalar, Term, arguments_of, defaults_of
from truing.objectives.shapes import Shape


@dataclass(frozen=True)
class Part:
    """A loss under the name that a recipe gives it, alone or in a mix."""

    name: str
    loss: Loss
    shapes: tuple[Shape, ...]  # shapes whose objective can supply its arguments, the preferred one first
    weight: float = 1.0
    sha256: str = ""  # of the file of a function of the user's own

    @property
    def term(self) -> Term:
        return Term(self.name, self.loss, self.weight)


def mixture(parts: Sequence[Part]) -> Mixture:
    """Return the parts as one loss, whose arguments are those of all parts together."""
    arguments = dict.fromkeys(name for part in parts for name in arguments_of(part.loss))
    return Mixture(tuple(part.term for part in parts), tuple(arguments), _defaults(parts))


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
