"""Rows of binary sources become what JSON would hold."""

import io
import struct
from datetime import date
from decimal import Decimal

import pytest

from truing.core.errors import DataError
from truing.data.read_columns import decoded_rows, read_arrow, read_parquet

pyarrow = pytest.importorskip("pyarrow")
feather = pytest.importorskip("pyarrow.feather")


def parquet(table) -> io.BytesIO:
    import pyarrow.parquet

    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file)
    file.seek(0)
    return file


def test_parquet_and_arrow_give_the_same_rows():
    table = pyarrow.table({"prompt": ["a", "b"], "score": [1.0, None]})
    file = io.BytesIO()
    with pyarrow.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    file.seek(0)
    one, two = read_parquet("x", parquet(table)), read_arrow("x", file)
    assert [row.value for row in one] == [row.value for row in two] == table.to_pylist()


def test_two_columns_of_one_name_and_damage_are_told():
    table = pyarrow.table([["a"], ["b"]], names=["prompt", "prompt"])
    with pytest.raises(DataError, match="x has two columns called prompt"):
        list(read_parquet("x", parquet(table)))
    with pytest.raises(DataError, match="x is damaged") as caught:
        list(read_parquet("x", io.BytesIO(b"PAR1 and no more")))
    assert caught.value.hint == "copy or download it again"


def test_what_is_no_text_is_refused_where_words_are_wanted():
    values = [
        {"prompt": b"caf\xc3\xa9", "when": date(2024, 1, 2), "price": Decimal("1.5"), "map": [("a", 1)]},
        {"prompt": b"\xff"},
        {"prompt": date(2024, 1, 2)},
        {"picture": b"\xff"},
    ]
    good, bytes_, words, picture = decoded_rows("x", values)
    assert good.value == {"prompt": "caf\u00e9", "when": "2024-01-02", "price": "1.5", "map": {"a": 1}}
    assert [row.error and row.error.code for row in (bytes_, words)] == ["invalid-utf8", "wrong-type"]
    assert (picture.value, picture.place) == ({"picture": "/w=="}, "x:4")


def test_damaged_offsets_are_found_before_they_are_followed():
    """Offsets beyond a column's bytes read memory that is no part of the file."""
    file = io.BytesIO()
    feather.write_feather(pyarrow.table({"a": ["one", "two"]}), file, compression="uncompressed")
    content = file.getvalue()
    offsets = struct.pack("<3i", 0, 3, 6)
    assert content.count(offsets) == 1
    damaged = content.replace(offsets, struct.pack("<3i", 0, 3, 1 << 30))
    with pytest.raises(DataError, match="is damaged"):
        list(read_arrow("x.feather", io.BytesIO(damaged)))


def test_a_date_beyond_those_of_python_is_told():
    table = pyarrow.table({"a": pyarrow.array([1 << 60], pyarrow.timestamp("s"))})
    file = io.BytesIO()
    feather.write_feather(table, file)
    with pytest.raises(DataError, match="is damaged"):
        list(read_arrow("x.feather", io.BytesIO(file.getvalue())))
