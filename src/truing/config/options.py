"""Options in a recipe, checked against the function that takes them: its signature is the schema."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from truing.config.imports import closest
from truing.core.errors import ConfigError
from truing.core.messages import Sentence, message

_FINITE = ConfigDict(allow_inf_nan=False)


def keyword_options(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the keyword-only arguments of a function."""
    parameters = inspect.signature(function).parameters.values()
    return {one.name: one for one in parameters if one.kind is one.KEYWORD_ONLY}


def keyword_defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the keyword-only arguments of a function and their default values."""
    return {name: one.default for name, one in keyword_options(function).items()}


def called(kind: str, name: object) -> Sentence:
    """Return how an error calls a row of a table: the reward 'regex'."""
    return message("the {kind} {name!r}", kind=message(kind), name=name)


def check_options(what: str, takes: Mapping[str, inspect.Parameter], given: Mapping[str, Any]) -> None:
    """Raise ConfigError for an option that `what`, such as "the reward 'regex'", does not take, lacks, or
    takes in another form."""
    for key, value in given.items():
        if key not in takes:
            said = "{what} takes {names}, not {key!r}{end}"
            end = closest(key, takes)
            raise ConfigError(message(said, what=what, names=_listed(sorted(takes)), key=key, end=end))
        _check(what, key, takes[key].annotation, value)
    missing = [key for key, one in takes.items() if one.default is one.empty and key not in given]
    if missing:
        raise ConfigError(message("{what} needs {names}", what=what, names=_listed(missing)))


def _check(what: str, key: str, annotation: Any, value: Any) -> None:
    try:
        TypeAdapter(annotation, config=_FINITE).validate_python(value, strict=True)
    except ValidationError as error:
        told = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        said = "{key} of {what} is {value!r}: {why}"
        raise ConfigError(message(said, key=key, what=what, value=value, why=told)) from error


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or message("no options")
