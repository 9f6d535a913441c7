from typing import Any

import pytest

from truing.core.errors import DataError
from truing.store.answers import PairAnswer, RankingAnswer, RatingsAnswer, SkipAnswer, VoteAnswer
from truing.store.argilla import is_argilla, read_argilla

FIELDS = {"prompt": "q", "response1": "x", "response2": "y"}
THREE = {"instruction": "q", "response-1": "x", "response-2": "y", "response-3": "z"}


def nested(question: str, *values: object, fields: dict[str, str] = FIELDS) -> dict[str, Any]:
    answers = [{"value": value, "user_id": f"u{n}"} for n, value in enumerate(values)]
    return {"id": "r", "fields": fields, "metadata": {}, "suggestions": {}, "responses": {question: answers}}


def flat(question: str, *values: object) -> dict[str, Any]:
    people = [f"u{n}" for n in range(len(values))]
    name = f"{question}.responses"
    states = {f"{name}.status": ["submitted"] * len(values)}
    return {
        "id": "r",
        **FIELDS,
        name: list(values),
        f"{name}.users": people,
        **states,
        f"{question}.suggestion": None,
    }


def version_1(question: str, *values: object, status: str = "submitted") -> dict[str, Any]:
    answers = [
        {"user_id": f"u{n}", "status": status, "values": {question: {"value": value}}}
        for n, value in enumerate(values)
    ]
    return {"fields": FIELDS, "responses": answers}


@pytest.mark.parametrize("shape", [nested, flat, version_1])
def test_a_label_with_the_name_of_a_field_is_a_choice(shape: Any):
    row = shape("preference", "response2", "response1", "Both bad")
    assert is_argilla(row)
    rows = list(read_argilla(row, "r"))
    assert [each.answer for each in rows] == [
        PairAnswer("second"),
        PairAnswer("first"),
        PairAnswer("both_bad"),
    ]
    assert [each.person for each in rows] == ["u0", "u1", "u2"]
    assert [each.text for each in rows[0].item.responses] == ["x", "y"]
    assert rows[0].item.prompt[0].content == "q"


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (["response-3", "response-1", "response-2"], RankingAnswer(((2,), (0,), (1,)))),
        (
            [
                {"value": "response-1", "rank": 2},
                {"value": "response-2", "rank": 1},
                {"value": "response-3", "rank": 1},
            ],
            RankingAnswer(((1, 2), (0,))),
        ),
    ],
)
def test_a_ranking_orders_all(value: list[object], answer: VoteAnswer):
    [row] = read_argilla(nested("order", value, fields=THREE), "r")
    assert (row.answer, row.item.kind) == (answer, "ranking")


def test_a_ranking_of_two_is_a_choice():
    [row] = read_argilla(
        version_1("order", [{"value": "response2", "rank": 1}, {"value": "response1", "rank": 2}]), "r"
    )
    assert row.answer == PairAnswer("second")


def test_ratings_are_read_by_axis_and_response():
    row = nested("helpful_1", 5)
    row["responses"] |= {
        "helpful_2": [{"value": 2, "user_id": "u0"}],
        "why": [{"value": "text", "user_id": "u0"}],
    }
    [found] = read_argilla(row, "r")
    assert found.answer == RatingsAnswer(({"helpful": 5}, {"helpful": 2}))
    assert found.item.kind == "ratings"


def test_a_discarded_record_is_a_skip_and_a_draft_is_nothing():
    [found] = read_argilla(version_1("preference", "response1", status="discarded"), "r")
    assert found.answer == SkipAnswer("discarded")
    [found] = read_argilla(version_1("preference", "response1", status="draft"), "r")
    assert found.person is None


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (nested("label", "positive"), "says nothing on its fields response1, response2"),
        (nested("label", "x", fields={"text": "q"}), "has no responses"),
    ],
)
def test_a_record_that_judges_no_responses_is_an_error(row: dict[str, Any], told: str):
    with pytest.raises(DataError, match=told):
        list(read_argilla(row, "r"))
