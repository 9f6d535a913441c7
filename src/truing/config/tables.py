"""Look a name up in a table of plug-ins; one error serves all tables.

    find("reward", RULES, "numerc")         ConfigError: no reward 'numerc'; known: …; did you mean 'numeric'?
    bound("reward", RULES, "math", {...})   the row with its options, checked against its signature

A table is a dictionary of names. The word for one of its rows has a Chinese line in `core/told_zh.py`.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from inspect import Parameter
from typing import Any, TypeVar

from truing.config.imports import closest
from truing.core.errors import ConfigError, TruingError
from truing.core.messages import message

Plugin = TypeVar("Plugin")
Built = TypeVar("Built")
NONE: Mapping[str, Parameter] = {}


def find(
    kind: str,
    table: Mapping[str, Plugin],
    name: object,
    *,
    hint: str = "",
    error: type[TruingError] = ConfigError,
) -> Plugin:
    """Return the row of that name. Raises `error`, which ends with `hint`, where the table has none."""
    if not isinstance(name, str) or name not in table:
        raise unknown(kind, name, table, hint=hint, error=error)
    return table[name]


def bound(
    kind: str,
    table: Mapping[str, Callable[..., Built]],
    name: object,
    options: Mapping[str, Any],
    *,
    also: Mapping[str, Parameter] = NONE,
    hint: str = "",
) -> Callable[..., Built]:
    """Return the row of that name with `options` filled in: its keyword-only arguments are their schema.

    `also` are options that it hands on. Raises ConfigError for the name or an option.
    """
    from truing.config.options import called, check_options, keyword_options  # pydantic: not for `--help`

    row = find(kind, table, name, hint=hint)
    check_options(called(kind, name), {**keyword_options(row), **also}, options)
    return partial(row, **options)


def unknown(
    kind: str,
    name: object,
    known: Iterable[str],
    *,
    of: str = "",
    instead: str = "",
    hint: str = "",
    error: type[TruingError] = ConfigError,
) -> TruingError:
    """The error about a name that is not `known`, with the nearest one, or `instead` where that is given."""
    names = sorted(known)
    near = closest(name, names) if isinstance(name, str) else ""
    end = message("; {told}", told=instead) if instead else near
    said = "no {kind} {name!r}{of}; known: {names}{end}"
    parts = {"kind": message(kind), "name": name, "of": message(of), "end": end}
    return error(message(said, names=", ".join(names), **parts), hint=hint)
