import json

import pytest

from truing.core.errors import UsageError
from truing.store.answers import (
    EditAnswer,
    PairAnswer,
    RankingAnswer,
    RatingsAnswer,
    SafetyAnswer,
    SkipAnswer,
    VoteAnswer,
    as_row,
    read_answer,
)

AXES = ("helpful", "honest")


@pytest.mark.parametrize(
    ("answer", "row"),
    [
        (PairAnswer("both_bad"), {"kind": "pair", "choice": "both_bad", "edited": None}),
        (PairAnswer("first", edited="更好"), {"kind": "pair", "choice": "first", "edited": "更好"}),
        (RankingAnswer(((2,), (0, 1))), {"kind": "ranking", "groups": [[2], [0, 1]]}),
        (RatingsAnswer(({"helpful": 5},)), {"kind": "ratings", "ratings": [{"helpful": 5}]}),
        (SafetyAnswer(("safe", "unsure")), {"kind": "safety", "labels": ["safe", "unsure"]}),
        (EditAnswer(1, "text"), {"kind": "edit", "response": 1, "text": "text"}),
        (SkipAnswer("unclear"), {"kind": "skip", "reason": "unclear"}),
    ],
)
def test_an_answer_comes_back_from_json(answer: VoteAnswer, row: dict[str, object]):
    written = json.loads(json.dumps(as_row(answer)))
    assert written == row
    assert read_answer(written) == answer


@pytest.mark.parametrize(
    "row",
    [{}, {"kind": "guess"}, {"kind": "pair", "side": "left"}, {"kind": "pair", "choice": "first", "x": 1}],
)
def test_another_object_is_no_answer(row: dict[str, object]):
    with pytest.raises(UsageError, match="cannot be read"):
        read_answer(row)


@pytest.mark.parametrize(
    ("answer", "responses"),
    [
        (PairAnswer("tie"), 3),
        (PairAnswer("left"), 2),  # pyright: ignore[reportArgumentType]
        (PairAnswer("tie", edited="better"), 2),
        (RankingAnswer(((0,), (0,))), 2),
        (RankingAnswer(((0, 1), ())), 2),
        (RankingAnswer(((0,),)), 2),
        (RatingsAnswer(({"helpful": 5, "honest": 6},)), 1),
        (RatingsAnswer(({"helpful": 5},)), 1),
        (RatingsAnswer(()), 1),
        (SafetyAnswer(("safe",)), 2),
        (SafetyAnswer(("fine",)), 1),  # pyright: ignore[reportArgumentType]
        (EditAnswer(2, "text"), 2),
        (EditAnswer(0, "  "), 2),
    ],
)
def test_an_answer_that_does_not_fit_says_why(answer: VoteAnswer, responses: int):
    assert answer.problem(responses, AXES)


@pytest.mark.parametrize(
    ("answer", "responses"),
    [
        (PairAnswer("tie"), 2),
        (RankingAnswer(((1,), (0, 2))), 3),
        (RatingsAnswer(({"helpful": 5, "honest": 1},)), 1),
        (SafetyAnswer(("safe", "unsafe")), 2),
        (EditAnswer(1, "text"), 2),
        (SkipAnswer(), 4),
    ],
)
def test_an_answer_that_fits_has_no_problem(answer: VoteAnswer, responses: int):
    assert answer.problem(responses, AXES) is None


def test_ranks_are_equal_where_a_group_ties():
    assert RankingAnswer(((2,), (0, 1))).ranks == (1, 1, 0)
