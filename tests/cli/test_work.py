"""Flags of verbs that make rows become keys of their recipe."""

import pytest

from truing.cli.work import asked_in, role, roles
from truing.core.errors import UsageError


def test_a_file_of_prompts_and_flags():
    path, overrides = asked_in("p.jsonl", ["k=2"], policies=["m"], judge=None, output="out")
    assert path is None
    assert overrides == ['prompts=["p.jsonl"]', 'policies=["m"]', 'output="out"', "k=2"]


def test_a_recipe_gives_the_prompts_itself():
    path, overrides = asked_in("r.yaml", None, policies=[], output=None)
    assert str(path) == "r.yaml"
    assert overrides == []


def test_roles_are_names_or_mappings():
    assert roles(["runs/a", "{name: server, model: q}"]) == ["runs/a", {"name": "server", "model": "q"}]
    with pytest.raises(UsageError, match="is no mapping"):
        role("{name: [")
