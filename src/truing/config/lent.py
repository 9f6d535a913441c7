"""Functions that were passed in Python, under names that a recipe can hold.

    lend(tone)        "my_file:tone" where it can be imported by that name, else "given:tone"

A notebook's functions and lambdas cannot be imported: they are known to this process alone, and a run that
goes on in another one is told which function to pass again.
"""

import inspect
import sys
from collections.abc import Callable, Collection
from hashlib import sha256
from typing import Any

from truing.core.errors import ConfigError
from truing.core.messages import message
from truing.core.sources import source_hash

GIVEN = "given"  # stands for the module of a function without one

_lent: dict[str, Callable[..., Any]] = {}
_passed: set[str] = set()  # names of the form `module:function` whose functions were passed here


def lend(function: Callable[..., Any], taken: Collection[str] = ()) -> str:
    """Lend a function and return the name by which `load_function` finds it; no name in `taken` is used."""
    own = getattr(function, "__name__", type(function).__name__)
    module = getattr(function, "__module__", None)
    there = sys.modules.get(module) if module not in (None, "__main__") else None
    if own.isidentifier() and getattr(there, own, None) is function:
        _passed.add(f"{module}:{own}")
        return f"{module}:{own}"
    base = f"{GIVEN}:{own if own.isidentifier() else 'function'}"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    _lent[name] = function
    return name


def was_passed(name: str) -> bool:
    """Tell whether the function of this name was passed to this process, which needs no other consent."""
    return name in _passed or lent(name) is not None


def lent(name: str) -> Callable[..., Any] | None:
    """Return the function lent under a name; None for a name of the form `module:function`.

    Raises ConfigError for a function that was given to another process.
    """
    if name.partition(":")[0] != GIVEN:
        return None
    if name not in _lent:
        own = name.partition(":")[2]
        raise ConfigError(
            message("{name} is a function that was passed in Python, and not to this process", name=name),
            hint=message("pass {own} again: truing.train with the same arguments", own=own),
        )
    return _lent[name]


def code_hash(name: str) -> str:
    """Return the SHA-256 of the code behind `module:function` or a lent function; else empty."""
    function = lent(name)
    if function is None:
        return source_hash(name.partition(":")[0])
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError):  # typed at a prompt, or an object with __call__
        code = getattr(function, "__code__", None)
        text = "" if code is None else f"{code.co_code.hex()} {code.co_names}"
    return sha256(text.encode()).hexdigest() if text else ""
