"""The version is stated twice, and is the same."""

import tomllib
from pathlib import Path

import truing
from truing.core.version import __version__


def test_the_package_and_its_metadata_have_one_version():
    stated = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    assert stated["project"]["version"] == __version__ == truing.__version__
