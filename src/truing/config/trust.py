"""Consent to the code that a recipe names as `module:function`, given before any of it is imported.

A recipe may come from a stranger, and importing a module runs it. So its file is found and hashed without an
import, together with the files beside it that it imports, and consent is looked for in this order:

    trust_all()            this process trusts every recipe (`--trust-code`, `truing.trust_code()`)
    trusted.json           hashes that a person has accepted before, in the cache folder
    the one who can ask    the command line at a terminal; a yes is remembered

Functions of Python's own library are refused, since `os:system` is code with any text as its argument.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from importlib.machinery import ModuleSpec
from pathlib import Path

from truing.core.errors import ConfigError
from truing.core.files import write_atomic
from truing.core.messages import message
from truing.core.places import cache_folder
from truing.core.sources import hash_of_files

TRUSTED = "trusted.json"
SHOWN = 12  # characters of a hash


@dataclass(frozen=True, slots=True)
class NamedCode:
    """The file of a module that a recipe names, and the hash of this file and its neighbours."""

    module: str
    file: Path
    sha256: str


@dataclass
class _Consent:
    everything: bool = False
    ask: Callable[[NamedCode], bool] | None = None


_consent = _Consent()


def trust_all() -> None:
    """Let this process run the code that recipes name, without a question."""
    _consent.everything = True


def ask_with(ask: Callable[[NamedCode], bool]) -> None:
    """Ask a person with `ask` about code that nobody has accepted yet."""
    _consent.ask = ask


def require_trust(module: str) -> None:
    """Return once somebody has accepted the code of a module; a module that is not found passes.

    Raises ConfigError for a module of Python's own library, and for code that nobody accepts.
    """
    if module.partition(".")[0] in sys.stdlib_module_names:
        said = "{module} is a module of Python itself, and no place for a function of yours"
        raise ConfigError(
            message(said, module=module),
            hint=message("write the function into a file of your own, and name that file"),
        )
    if _consent.everything or (found := find_code(module)) is None or found.sha256 in _trusted():
        return
    if _consent.ask is not None and _consent.ask(found):
        _remember(found)
        return
    raise ConfigError(
        message(
            "the recipe runs the code of {path} (sha256 {hash}…), which nobody has accepted",
            path=found.file,
            hash=found.sha256[:SHOWN],
        ),
        hint=message("read the file, then add --trust-code, or in Python call truing.trust_code() before"),
    )


def find_code(module: str) -> NamedCode | None:
    """Find the file of a module without importing it or its packages; None where there is none.

    Importing `a.b` runs `a/__init__.py` too, so the hash covers the files of the packages around it.
    """
    places: list[str] | None = None
    files: list[tuple[Path, str]] = []
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        name = ".".join(parts[:count])
        if (spec := _spec_of(name, places)) is None:
            return None
        places = list(spec.submodule_search_locations or ())
        if spec.origin is not None and Path(spec.origin).is_file():  # a folder without a file runs nothing
            files.append((Path(spec.origin).resolve(), name))
    if not files:
        return None
    hashes = [hash_of_files(file, name) for file, name in files]
    found = hashes[0] if len(hashes) == 1 else sha256(repr(hashes).encode()).hexdigest()
    return NamedCode(module, files[-1][0], found)


def _spec_of(name: str, places: list[str] | None) -> ModuleSpec | None:
    """Ask every finder, as an import does, but without importing the packages around the module."""
    found = (finder.find_spec(name, places, None) for finder in sys.meta_path)
    return next((spec for spec in found if spec is not None), None)


def _trusted() -> dict[str, str]:
    path = cache_folder() / TRUSTED
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):  # none yet, or damaged: a person is asked again
        return {}


def _remember(code: NamedCode) -> None:
    path = cache_folder() / TRUSTED
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps({**_trusted(), code.sha256: str(code.file)}, indent=2) + "\n")
