"""One error for a name that a table lacks, in both languages, and options by the signature of a row."""

import ast
from pathlib import Path

import pytest

import truing
from truing.config.tables import bound, find, unknown
from truing.core.errors import ConfigError, UsageError
from truing.core.messages import told
from truing.core.told_zh import ZH
from truing.core.words import add_words


def length(text: str, *, most: int) -> bool:
    return len(text) <= most


def lines(text: str, *, least: int = 1) -> bool:
    return text.count("\n") + 1 >= least


TABLE = {"length": length, "lines": lines}


def test_a_row_is_found_by_its_name():
    assert find("check", TABLE, "lines") is TABLE["lines"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lenght", "no check 'lenght'; known: length, lines; did you mean 'length'?"),
        ("colour", "no check 'colour'; known: length, lines"),
        (None, "no check None; known: length, lines"),
        (["length"], "no check ['length']; known: length, lines"),
    ],
)
def test_a_name_that_is_in_no_row_is_told_with_those_that_are(name: object, said: str):
    with pytest.raises(ConfigError) as caught:
        find("check", TABLE, name, hint="see the docs")
    assert (str(caught.value), caught.value.hint) == (said, "see the docs")


def test_a_table_may_have_an_error_of_its_own():
    with pytest.raises(UsageError):
        find("format", {}, "a", error=UsageError)


def test_the_error_is_told_in_chinese():
    add_words("zh", ZH)
    error = unknown("loss", "dop", ["dpo"], of=" for this method")
    assert told(error.message, "zh") == "没有名为 'dop' 的损失（就这种方法而言）；可用的：dpo；是不是 'dpo'？"


def test_options_are_those_of_the_signature():
    assert bound("check", TABLE, "length", {"most": 2})("abc") is False
    with pytest.raises(ConfigError, match="the check 'length' takes most, not 'mots'; did you mean 'most'"):
        bound("check", TABLE, "length", {"mots": 2})
    with pytest.raises(ConfigError, match="the check 'length' needs most"):
        bound("check", TABLE, "length", {})


def test_every_kind_of_row_has_a_chinese_word():
    kinds: dict[str, str] = {}
    for path in Path(truing.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "truing.config.tables"
            for alias in node.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in names:
                said = [str(one.value) for one in node.args[:1] if isinstance(one, ast.Constant)]
                kinds |= dict.fromkeys(said, path.name)
    assert len(kinds) > 8
    assert {kind: name for kind, name in kinds.items() if kind not in ZH} == {}
