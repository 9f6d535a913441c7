"""GB18030 is told from UTF-8, from Latin text and from damage, and named with its remedy."""

from pathlib import Path

import pytest

from truing.config.config import load_recipe
from truing.core.encodings import gb18030_remedy, is_gb18030
from truing.core.errors import ConfigError, DataError
from truing.data.read import read_rows

from ..tables import each

ROWS = '{"prompt": "你好吗？", "response": "我很好。"}\n{"prompt": "plain", "response": "text"}\n' * 3


@each(
    ("data", "is_it"),
    [
        (ROWS.encode("gb18030"), True),
        (ROWS.encode("gb18030")[:-40], True),
        ("一行".encode("gb18030"), True),
        (ROWS.encode(), False),
        (b"plain ascii\n", False),
        ("café, façade, naïve\n".encode("latin-1"), False),
        (ROWS.encode() + "你好\n".encode("gb18030"), False),
        (ROWS.encode().replace(b"\xe4", b"\xff"), False),
    ],
)
def test_gb18030_is_told_by_its_bytes(data: bytes, is_it: bool):
    assert is_gb18030(data) is is_it


def test_a_file_of_rows_is_named_with_the_command_that_converts_it(tmp_path: Path):
    path = tmp_path / "two words.jsonl"
    path.write_bytes(ROWS.encode("gb18030"))
    with pytest.raises(DataError, match="is GB18030 text, and rows are UTF-8") as caught:
        list(read_rows(path))
    assert caught.value.hint == f"iconv -f GB18030 -t UTF-8 '{path}' > '{tmp_path}/two words-utf8.jsonl'"


def test_one_row_of_gb18030_among_others_is_set_aside_and_named(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(ROWS.encode() + '{"prompt": "你好"}\n'.encode("gb18030"))
    *good, bad = read_rows(path)
    assert [row.error for row in good] == [None] * 6
    assert bad.error is not None
    assert bad.error.message == "column 13: byte 0xc4 is not UTF-8; the row is GB18030 text"


def test_a_recipe_in_gb18030_is_named(tmp_path: Path):
    path = tmp_path / "recipe.yaml"
    path.write_bytes("method: dpo\npolicy: 模型\n".encode("gb18030"))
    with pytest.raises(ConfigError, match="is GB18030 text, and recipes are UTF-8") as caught:
        load_recipe(path)
    assert caught.value.hint == gb18030_remedy(path)
