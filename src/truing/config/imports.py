"""A user's own functions by name: `module:function`, from the working directory or an installed package."""

import difflib
import importlib
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from truing.config.lent import lent, was_passed
from truing.config.trust import require_trust
from truing.core.errors import ConfigError
from truing.core.messages import message

LONGEST = 500  # characters of the text of an error


def closest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the nearest known name, or nothing."""
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return message("; did you mean {name!r}?", name=near[0]) if near else ""


def is_import(name: str) -> bool:
    """Tell whether a name has the form `module:function`; the module need not exist."""
    return ":" in name


def require_import(name: str) -> None:
    """Raise ConfigError for a name of another form, and for code that nobody has accepted; import nothing."""
    if was_passed(name):
        return
    module_name, _, function_name = name.partition(":")
    if not all(part.isidentifier() for part in [*module_name.split("."), function_name]):
        raise ConfigError(
            f"{name!r} names no function", hint="write module:function, such as my_file:my_function"
        )
    _search_here()
    require_trust(module_name)


def load_function(name: str) -> Callable[..., Any]:
    """Load the function that `module:function` names. Importing its module runs the code in it.

    The working directory is searched last, so that a file there never replaces an installed package. Raises
    ConfigError where there is no such function, and where nobody has accepted the code (`trust.py`).
    """
    if (function := lent(name)) is not None:
        return function
    require_import(name)
    module_name, _, function_name = name.partition(":")
    module = _import(module_name)
    callables = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
    if function_name not in vars(module):
        raise ConfigError(
            f"{_place(module)} has no {function_name!r}{closest(function_name, callables)}",
            hint=f"its functions are {', '.join(callables) or 'none'}",
        )
    found = vars(module)[function_name]
    if not callable(found):
        raise ConfigError(f"{name} is of type {type(found).__name__}, and not a function")
    return found


def _search_here() -> None:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # for good: the module may import its neighbours later
    importlib.invalidate_caches()


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        absent = error.name or ""
        if name != absent and not name.startswith(f"{absent}."):
            raise _fails(name, error) from error  # the module is there, but a module that it imports is not
        parent, _, last = absent.rpartition(".")
        here = str(Path.cwd())
        places = getattr(sys.modules[parent], "__path__", []) if parent else [here]  # a file has no path
        known = [module.name for module in pkgutil.iter_modules(places)]
        raise ConfigError(
            f"there is no module {absent!r}{closest(last, known)}",
            hint=f"looked among installed packages and in {here}",
        ) from None
    except (Exception, SystemExit) as error:  # the module is not ours and may raise anything
        raise _fails(name, error) from error


def told(error: BaseException) -> str:
    """Describe an error in a user's own code in a few words, with the file and the line it came from."""
    text = f"{type(error).__name__}: {_words(error)}"
    if isinstance(error, SyntaxError):  # names its line itself
        return text
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename[0] != "<" and "site-packages" not in frame.filename
    ]
    return f"{text} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else text


def _words(error: BaseException) -> str:
    """Return the text of an error, which is not ours: it may be of any length, or raise itself."""
    try:
        text = str(error)
    except Exception as another:
        return f"(its text cannot be shown: {type(another).__name__})"
    whole = text.encode("utf-8", "backslashreplace").decode()
    return whole if len(whole) <= LONGEST else whole[: LONGEST - 3] + "..."


def _fails(name: str, error: BaseException) -> ConfigError:
    return ConfigError(f"{name} cannot be imported: {told(error)}")


def _place(module: ModuleType) -> str:
    return module.__file__ or module.__name__
