"""The imports of the package are those that its pyproject.toml declares."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# transformers opens a GGUF, accelerate writes for TensorBoard, SQLAlchemy and uvicorn run on the others
FOR_OTHERS = {"gguf", "tensorboard", "psycopg", "httptools", "uvloop"}


def normal(name: str) -> str:
    """Return the name of a distribution as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names_of(requirements: list[str]) -> set[str]:
    return {normal(re.split(r"[^\w.-]", line, maxsplit=1)[0]) for line in requirements}


def modules_of(tree: ast.AST) -> set[str]:
    """Return the top-level modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
    return found


def imported() -> dict[str, str]:
    """Return the distributions that src imports, each with one file that does."""
    owners = packages_distributions()
    found: dict[str, str] = {}
    for path in sorted((ROOT / "src").rglob("*.py")):
        for module in modules_of(ast.parse(path.read_text(encoding="utf-8"))):
            if module not in sys.stdlib_module_names and module != "truing":
                for owner in owners.get(
                    module, [module]
                ):  # one that is not installed is called as its module
                    found[normal(owner)] = str(path.relative_to(ROOT))
    return found


def declared(*, without: set[str]) -> set[str]:
    """Return the distributions that are declared, but for those of some extras."""
    extras = PROJECT["optional-dependencies"]
    optional = [row for name, rows in extras.items() if name not in without for row in rows]
    return names_of([*PROJECT["dependencies"], *optional])


def test_what_is_imported_is_declared():
    known = declared(without={"dev"})
    assert {name: path for name, path in imported().items() if name not in known} == {}


def test_what_is_declared_is_imported():
    assert sorted(declared(without={"dev"}) - imported().keys() - FOR_OTHERS) == []
