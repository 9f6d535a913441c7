"""Losses of the user's own: `module:function` in a recipe, checked like a row of a table.

Importing a module runs it: trust a recipe that names one as you would a script. The signature is the schema
here too: a positional argument names a quantity that the loss is a function of, a keyword-only argument is a
hyper-parameter with its default.
"""

import inspect
from collections.abc import Collection, Sequence

from truing.config.imports import load_function
from truing.config.lent import code_hash
from truing.core.errors import ConfigError
from truing.objectives.binding import Loss, Scalar, arguments_of, closest
from truing.objectives.mixing import Part
from truing.objectives.shapes import Shape

OF_THE_RECIPE = ("name", "mix")  # keys of `loss:` that are no hyper-parameters


def find_own(name: str, weight: float, method: str, shapes: Sequence[Shape], taken: Collection[str]) -> Part:
    """Load the loss that `module:function` names, and check that its signature fits a shape of the method.

    `taken` are the keys under `loss:` that the method's objective reads itself.
    """
    loss = load_function(name)
    require_plain(name, loss, taken)
    fits = require_supplied(
        name, arguments_of(loss), [shape.supplies for shape in shapes], f"{method} supplies"
    )
    return Part(name, loss, tuple(shapes[place] for place in fits), weight, code_hash(name))


def require_plain(name: str, loss: Loss, taken: Collection[str]) -> None:
    """Refuse a signature that is no schema: arguments without names, defaults where none can act."""
    try:
        parameters = inspect.signature(loss).parameters.values()
    except ValueError as error:
        raise ConfigError(f"{name} does not say what it takes: it has no signature") from error
    for one in parameters:
        keyword = one.kind is one.KEYWORD_ONLY
        wrong = None
        if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD, one.POSITIONAL_ONLY):
            wrong = "arguments are to be named, for the name says what is supplied"
        elif not keyword and one.default is not one.empty and one.default is not None:
            wrong = "a hyper-parameter stands behind a bare *, and what is supplied has no default"
        elif keyword and one.default is one.empty:
            wrong = "a hyper-parameter needs a default"
        elif keyword and not isinstance(one.default, Scalar):
            wrong = "the default of a hyper-parameter is a number, true, false or a word"
        elif keyword and one.name in {*taken, *OF_THE_RECIPE}:
            wrong = "that key of loss: is taken"
        if wrong:
            raise ConfigError(f"{name} takes {one}: {wrong}")


def require_supplied(name: str, asked: Sequence[str], sets: Sequence[Sequence[str]], giver: str) -> list[int]:
    """Return which of `sets`, by place, hold every argument of a function.

    Raises ConfigError where no set does, or where the function does not take the first of its set: it is the
    one that is learnt from.
    """
    fits = [place for place, supplied in enumerate(sets) if set(asked) <= set(supplied)]
    if not fits:
        supplied = list(dict.fromkeys(key for one in sets for key in one))
        unknown = next((key for key in asked if key not in supplied), None)
        near = closest(unknown, supplied) if unknown else ""
        listed = " or ".join(", ".join(one) for one in sets)
        raise ConfigError(f"{name} takes {', '.join(asked)}; {giver} {listed}{near}")
    trained = sets[fits[0]][0]
    if trained not in asked:
        raise ConfigError(f"{name} does not take {trained}, so nothing would be learnt")
    return fits
