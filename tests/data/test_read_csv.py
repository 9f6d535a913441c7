"""CSV: delimiters, records over several lines, and damage that costs one row."""

import io

import pytest

from truing.core.errors import DataError
from truing.data.read_csv import read_csv, read_tsv


def rows(text: str, read=read_csv) -> list:
    return [row.value or (row.error and row.error.code) for row in read("x.csv", io.BytesIO(text.encode()))]


@pytest.mark.parametrize("sign", [",", ";", "|", "\t"])
def test_the_delimiter_is_the_one_that_splits_the_header(sign: str):
    assert rows(f"prompt{sign}chosen\na{sign}b\n") == [{"prompt": "a", "chosen": "b"}]


def test_a_first_line_may_name_the_delimiter_and_comments_may_precede_the_header():
    assert rows("sep=;\na,b;c\n1;2\n") == [{"a,b": "1", "c": "2"}]
    assert rows("# made today\n\na,b\n1,2\n") == [{"a": "1", "b": "2"}]
    assert rows("a\tb,c\n1\t2\n", read_tsv) == [{"a": "1", "b,c": "2"}]


def test_a_record_over_two_lines_keeps_its_bytes_and_its_first_line():
    text = 'a,b\n"one\ntwo",2\n3,4\n'
    first, second = read_csv("x.csv", io.BytesIO(text.encode()))
    assert (first.value, first.raw, first.place) == ({"a": "one\ntwo", "b": "2"}, b'"one\ntwo",2', "x.csv:2")
    assert second.line == 4


def test_damage_costs_its_row_and_blank_records_are_none():
    assert rows("a,b\n1\n,\n1,2,3\n1,2,\n") == ["column-count", "column-count", {"a": "1", "b": "2"}]


def test_a_header_without_distinct_names_is_refused():
    assert rows(",b\n1,2\n") == [{"column 1": "1", "b": "2"}]
    with pytest.raises(DataError, match="one name twice: a, a"):
        rows("a,a\n1,2\n")


@pytest.mark.parametrize("header", ["p\rrompt,chosen", "a" * 200_000 + ",b,b"])
def test_a_header_that_no_delimiter_parts_is_refused(header: str):
    with pytest.raises(DataError, match="the header is broken"):
        rows(header + "\nq,a\n")
