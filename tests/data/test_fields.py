"""Single fields of a row: alternatives, numbers, labels and lists."""

import math

import pytest

from truing.data.fields import as_label, as_list, as_number, holds, number, present, value_of, words
from truing.data.rows import RowError


def test_a_value_is_there_unless_it_is_empty():
    assert all(map(holds, [0, False, "a", [0], {"a": None}]))
    assert not any(map(holds, [None, "", "  ", [], {}, math.nan]))


def test_the_first_alternative_that_is_there_counts():
    row = {"question": None, "prompt": "a", "query": "b"}
    assert present(row, "question|prompt|query") == "prompt"
    assert (value_of(row, "question|query"), value_of(row, "x|y")) == ("b", None)


def test_numbers_are_read_from_cells_and_must_be_finite():
    assert (as_number(" 1.5", "score"), number({"a": ""}, "a"), number({"a": 2}, "a")) == (1.5, None, 2.0)
    for wrong in ("many", True, math.inf, None, "1e999", 10**400):
        with pytest.raises(RowError, match="expected a finite number"):
            as_number(wrong, "score")


def test_labels_have_many_spellings_and_no_others():
    assert [as_label(one) for one in (1, "Yes", True, "desirable", 1.0)] == [True] * 5
    assert [as_label(one) for one in (0, -1, "bad", False, "NO")] == [False] * 5
    for wrong in ("maybe", 2, None, [True]):
        with pytest.raises(RowError, match="expected true/false"):
            as_label(wrong)


def test_a_number_becomes_the_text_of_a_cell():
    assert [words(one) for one in (3, True, "a", None)] == ["3", "true", "a", None]


def test_a_list_is_a_list():
    assert as_list({"a": [1]}, "a") == [1]
    with pytest.raises(RowError, match="`a` is str, expected a list"):
        as_list({"a": "[1]"}, "a")
