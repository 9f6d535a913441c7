"""Rubrics of rows: items as text and as objects, and what is none."""

import pytest

from truing.core.errors import DataError
from truing.core.records import RubricItem
from truing.data.rubrics import rubric_of


def test_a_rubric_is_read():
    assert rubric_of(["a", {"text": "b", "weight": 2, "must": True}]) == (
        RubricItem("a"),
        RubricItem("b", 2.0, True),
    )
    assert rubric_of([{"text": " a ", "weight": None, "must": None}]) == (RubricItem("a"),)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("kind", "a rubric is a list of criteria, this is 'kind'"),
        ([], "a rubric is a list of criteria, this is \\[\\]"),
        ([7], "criterion 1 is 7, expected a text or an object"),
        (["a", {"text": " "}], "criterion 2 has no text"),
        ([{"text": "a", "wieght": 2}], "criterion 1 has 'wieght'; known: text, weight, must"),
        ([{"text": "a", "weight": "2"}], "criterion 1 has the weight '2'"),
        ([{"text": "a", "weight": True}], "criterion 1 has the weight True"),
        ([{"text": "a", "weight": 0}], "criterion 1 has the weight 0"),
        ([{"text": "a", "weight": float("nan")}], "criterion 1 has the weight nan"),
        ([{"text": "a", "weight": -1}], "no criterion of the rubric has a weight above 0"),
        ([{"text": "a", "must": "yes"}], "criterion 1 has must 'yes'"),
        (["a", {"text": "b", "must": True, "weight": -1}], "criterion 2 has must and a weight below 0"),
    ],
)
def test_a_rubric_that_cannot_be_used_is_told(value: object, told: str):
    with pytest.raises(DataError, match=told):
        rubric_of(value)
