"""The code behind a function of one's own: what it imports from beside it counts, the rest does not."""

import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from truing.config.imports import load_function
from truing.core.sources import source_hash

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes modules into the working directory, as keyword arguments."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    known = set(sys.modules)

    def make(**modules: str) -> None:
        for name, text in modules.items():
            path = tmp_path / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    yield make
    for name in set(sys.modules) - known:
        del sys.modules[name]


def test_a_module_alone_has_the_hash_of_its_file(write):
    text = "import json\nimport torch\n\ndef f(): ...\n"
    write(alone_one=text)
    load_function("alone_one:f")
    assert source_hash("alone_one") == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "takes",
    [
        "import helper_two",
        "from helper_two import WEIGHT",
        "def g():\n    import helper_two",
        "from between_two import x",
    ],
    ids=["module", "number", "inside a function", "by way of another"],
)
def test_a_file_that_it_imports_counts(write, takes):
    write(helper_two="WEIGHT = 1.0", between_two="import helper_two\nx = 1", other_two="y = 1")
    write(own_two=f"{takes}\ndef f(): ...\n")
    load_function("own_two:f")
    before = source_hash("own_two")
    write(other_two="y = 2")
    assert source_hash("own_two") == before
    write(helper_two="WEIGHT = 2.0")
    assert source_hash("own_two") != before


def test_neighbours_in_a_package_are_found_from_relative_imports(write):
    write(**{"pack_three/__init__": "", "pack_three/rewards": "from .words import A\ndef f(): ..."})
    write(**{"pack_three/words": "A = 1"})
    load_function("pack_three.rewards:f")
    before = source_hash("pack_three.rewards")
    write(**{"pack_three/words": "A = 2"})
    assert source_hash("pack_three.rewards") != before


def test_a_built_in_module_has_none():
    assert source_hash("sys") == ""


def test_an_installed_package_is_hashed_without_those_beside_it():
    """numpy lies in one folder with torch, which it never imports; the test would take minutes otherwise."""
    assert len(source_hash(pytest.__name__)) == 64
