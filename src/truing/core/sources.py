"""Hashes of the code behind a user's own function: its file, and the files beside it that it imports."""

import ast
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from truing.core.files import sha256_file

INSTALLED = {"site-packages", "dist-packages"}


def source_hash(module_name: str) -> str:
    """The SHA-256 of an imported module's file; of several files together where it imports its neighbours.

    Neighbours lie in the folder that the module's first name was found in; their imports are followed too.
    The hash is empty for a module without a file. Files that are read at run time, such as a list of words,
    are not hashed.
    """
    file = getattr(sys.modules[module_name], "__file__", None)
    if not file or not Path(file).is_file():  # built-in modules have none
        return ""
    return hash_of_files(Path(file).resolve(), module_name)


def hash_of_files(own: Path, module_name: str) -> str:
    """Return `source_hash` of a module by its file; the module need not be imported."""
    depth = module_name.count(".") + (own.name == "__init__.py")
    files = _files_behind(own, module_name, own.parents[depth])
    if len(files) == 1:
        return sha256_file(own)
    named = sorted((str(path.relative_to(own.parents[depth])), sha256_file(path)) for path in files)
    return hashlib.sha256(repr(named).encode()).hexdigest()


def _files_behind(own: Path, name: str, root: Path) -> set[Path]:
    """Find a file and all files under `root` that it imports, directly or through other files."""
    found: set[Path] = set()
    first = name.partition(".")[0]
    installed = not INSTALLED.isdisjoint(root.parts)  # then its neighbours are other packages
    waiting = [(own, name)]
    while waiting:
        path, module = waiting.pop()
        if path in found:
            continue
        found.add(path)
        for imported in _imports(path, module):
            if installed and imported.partition(".")[0] != first:
                continue
            if (file := _file_of(imported, root)) is not None:
                waiting.append((file, imported))
    return found


def _imports(path: Path, module: str) -> Iterator[str]:
    """Yield every dotted name that a file imports; a name taken from a module may be a module too."""
    if path.suffix != ".py":
        return
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # its import will say so
        return
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        for one in names:
            parts = one.split(".")
            yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def _file_of(name: str, root: Path) -> Path | None:
    base = root.joinpath(*name.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)
