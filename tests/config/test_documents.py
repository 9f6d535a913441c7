"""Files as nodes that know their lines; test_config and test_yaml_mistakes hold what is refused."""

from pathlib import Path

import pytest

from truing.config.documents import (
    DEFAULT,
    OVERRIDE,
    Node,
    Origin,
    laid_over,
    node_of,
    overridden,
    parse_json,
    parse_yaml,
    read_document,
)
from truing.core.errors import ConfigError, UsageError

HERE = Origin("r.yaml", 1)


def test_every_value_knows_its_line_in_yaml_and_json():
    for parse, text in (
        (parse_yaml, "a: 1\nb:\n  c: [x, 2]\n"),
        (parse_json, '{"a": 1,\n"b":\n {"c": ["x", 2]}}'),
    ):
        root = parse(text, HERE)
        assert root.plain() == {"a": 1, "b": {"c": ["x", 2]}}
        inner = root.children["b"].children["c"]
        assert str(inner.origin) == "r.yaml:3" and str(root.children["b"].origin) == "r.yaml:2"


def test_a_key_that_stands_twice_is_told_with_both_lines():
    with pytest.raises(ConfigError, match=r"r\.yaml:2: the key 'a' is given twice; first at r\.yaml:1"):
        parse_yaml("a: 1\na: 2\n", HERE)


def test_an_override_keeps_the_origins_of_the_others():
    root = overridden(parse_yaml("optim:\n  epochs: 3\n  seed: 1\n", HERE), ["optim.epochs=2", "lora.r=8"])
    assert root.plain() == {"optim": {"epochs": 2, "seed": 1}, "lora": {"r": 8}}
    optim = root.children["optim"].children
    assert optim["epochs"].origin == OVERRIDE and str(optim["seed"].origin) == "r.yaml:3"
    with pytest.raises(UsageError, match="expected key=value"):
        overridden(root, ["optim.epochs"])


def test_values_of_python_become_nodes():
    node = node_of({"path": Path("a/b"), "list": (1, None)}, DEFAULT)
    assert node.plain() == {"path": "a/b", "list": [1, None]} and str(node.origin) == "default"
    with pytest.raises(ConfigError, match="a set is no value of a recipe"):
        node_of({"a": {1}}, DEFAULT)


def test_mappings_are_merged_and_lists_are_replaced():
    under, over = node_of({"a": {"b": 1, "c": [1, 2]}, "d": 4}, DEFAULT), node_of({"a": {"c": [3]}}, OVERRIDE)
    assert laid_over(under, over).plain() == {"a": {"b": 1, "c": [3]}, "d": 4}
    assert laid_over(under, Node(5, OVERRIDE)).plain() == 5


def test_a_file_is_told_by_its_extension(tmp_path: Path):
    for name, text in (("r.json", '{"a": 1}'), ("r.yml", "a: 1")):
        (tmp_path / name).write_text(text)
        assert read_document(tmp_path / name).plain() == {"a": 1}
    with pytest.raises(ConfigError, match=r"expected a name that ends in \.yaml"):
        read_document(tmp_path / "r.toml")
