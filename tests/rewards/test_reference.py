"""Columns in which data sets keep the answer that a response is compared with."""

from truing.rewards.reference import reference_of

from ..tables import each

PLACES = [
    ({"reward_model": {"style": "rule", "ground_truth": "34"}}, "34"),  # verl
    ({"reward_model": {"ground_truth": ["34"]}}, "34"),
    ({"reward_model": '{"style": "rule", "ground_truth": "34"}'}, "34"),  # through a CSV
    ({"reward_model": {"ground_truth": "34"}, "solution": "7", "answer": 5}, "34"),
    ({"ground_truth": 12}, "12"),
    ({"solution": "so \\boxed{7}", "answer": 5}, "so \\boxed{7}"),  # open-r1
    ({"answer": 5}, "5"),
    ({"answer": 0.5}, "0.5"),
    ({"answer": True}, "true"),
    ({"answer": None, "solution": " "}, None),
    ({"reward_model": "a name"}, None),
    ({}, None),
]


@each(("columns", "found"), PLACES)
def test_where_the_answer_is(columns, found):
    assert reference_of(columns, None) == found


def test_the_rows_own_response_comes_after_a_solution_and_before_an_answer():
    assert reference_of({"answer": "5"}, "own") == "own"
    assert reference_of({"solution": "7"}, "own") == "7"
