"""JSON and JSONL: arrays, wrapped lists, data frames, and damage that costs one row."""

import io
import time

import pytest

from truing.core.errors import DataError
from truing.data.read_json import read_json, read_jsonl


def read(text: str) -> list:
    return list(read_json("x.json", io.BytesIO(text.encode())))


def values(text: str) -> list:
    return [row.value or (row.error and row.error.code) for row in read(text)]


def test_lines_are_rows_and_blank_lines_count():
    first, second = read_jsonl("x", io.BytesIO(b'{"a": 1}\n\n{"a": 2}'))
    assert (first.value, second.value, second.place) == ({"a": 1}, {"a": 2}, "x:3")


@pytest.mark.parametrize(
    "text",
    [
        '[{"a": 1}, {"a": 2}]',
        '{"version": 1, "data": [{"a": 1}, {"a": 2}]}',
        '{"a": 1}\n{"a": 2}\n',
        '{"columns": ["a"], "index": [0, 1], "data": [[1], [2]]}',
        '{"a": {"0": 1, "1": 2}}',
        '{"0": {"a": 1}, "1": {"a": 2}}',
    ],
)
def test_every_way_to_write_two_rows_gives_them(text: str):
    assert values(text) == [{"a": 1}, {"a": 2}]


def test_a_damaged_element_costs_one_row_and_a_hidden_end_the_rest():
    assert values('[{"a": 1}, {"a": 1, "a": 2}, {"a": 3}]') == [{"a": 1}, "duplicate-key", {"a": 3}]
    assert values('[{"a": 1},\n{"a": "open\n') == [{"a": 1}, "broken-json"]


def test_elements_that_share_a_line_are_numbered_there():
    assert [row.place for row in read('[{"a": 1}, {"a": 2},\n{"a": 3}]')] == [
        "x.json:1#1",
        "x.json:1#2",
        "x.json:2",
    ]


def test_two_lists_of_rows_are_refused():
    with pytest.raises(DataError, match="holds more than one list of rows"):
        values('{"train": [{"a": 1}], "test": [{"a": 2}]}')


def test_a_list_of_one_row_is_that_rows():
    assert values('{"messages": [{"role": "user", "content": "a"}]}') == [
        {"messages": [{"role": "user", "content": "a"}]}
    ]


def test_damage_that_hides_an_end_costs_one_row_where_rows_follow():
    cut = '{"a": 1, "turns": [{"role": "user"}, {"role": "x",'
    assert values('[{"a": 1},\n' + cut + ',\n{"a": 2},\n{"a": 3}]') == [
        {"a": 1},
        "broken-json",
        {"a": 2},
        {"a": 3},
    ]
    assert values('[{"a": 1} x,\n{"a": 2}]') == [{"a": 1}, "broken-json", {"a": 2}]
    assert values('[{"a": ' + "9" * 5000 + '},\n{"a": 2}]') == ["bad-number", {"a": 2}]
    assert values('[{"a": 1},, {"a": 2}]') == [{"a": 1}, "broken-json", {"a": 2}]


def test_no_file_is_searched_for_ever():
    deep = "[" + '{"a": "' * 20_000 + ',{"b"' * 20_000
    began = time.process_time()
    assert values(deep) == ["broken-json"]
    assert time.process_time() - began < 10
