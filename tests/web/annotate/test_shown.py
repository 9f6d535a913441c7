"""Answers go from slots of a screen to numbers of responses, and items back, without telling their makers."""

import json

import pytest
from pydantic import TypeAdapter

from truing.core.errors import UsageError
from truing.core.words import speaking
from truing.store.answers import (
    EditAnswer,
    PairAnswer,
    RankingAnswer,
    RatingsAnswer,
    SafetyAnswer,
    SkipAnswer,
)
from truing.store.draw import ShownItem
from truing.web.annotate.shown import (
    SentVote,
    answer_of,
    axis_names,
    item_row,
    said_answer,
    same_answer,
)

from ...tables import each
from .projects import item

ORDER = (2, 0, 1)  # slot 0 holds response 2
VOTE = {"client_key": "k", "item": 1, "key": "x"}


def sent(**answer: object):
    return TypeAdapter(SentVote).validate_python({**VOTE, "answer": answer}).answer


@each(
    ("answer", "order", "stored"),
    [
        ({"kind": "pair", "side": 0}, (1, 0), PairAnswer("second")),
        ({"kind": "pair", "side": 1, "edited": "x"}, (1, 0), PairAnswer("first", "x")),
        ({"kind": "pair", "side": "tie"}, (1, 0), PairAnswer("tie")),
        ({"kind": "ranking", "groups": [[2], [0, 1]]}, ORDER, RankingAnswer(((1,), (0, 2)))),
        (
            {"kind": "ratings", "ratings": [{"a": 1}, {"a": 2}, {"a": 3}]},
            ORDER,
            RatingsAnswer(({"a": 2}, {"a": 3}, {"a": 1})),
        ),
        (
            {"kind": "safety", "labels": ["safe", "unsafe", "unsure"]},
            ORDER,
            SafetyAnswer(("unsafe", "unsure", "safe")),
        ),
        ({"kind": "edit", "slot": 0, "text": "x"}, ORDER, EditAnswer(2, "x")),
        ({"kind": "skip", "reason": "unclear"}, ORDER, SkipAnswer("unclear")),
    ],
)
def test_an_answer_is_stored_by_the_numbers_of_responses(answer, order, stored):
    assert answer_of(sent(**answer), order) == stored


def test_a_slot_without_a_response_is_refused():
    with pytest.raises(UsageError, match="more responses than the 2"):
        answer_of(sent(kind="edit", slot=5, text="x"), (0, 1))


def test_a_page_learns_neither_makers_nor_order(project):
    store = project([item("q", "one", "two")])
    (found,) = store.items()
    row = item_row(ShownItem(found, look=1, order=(1, 0), position=0), ())
    assert [one["text"] for one in row["responses"]] == ["two", "one"]
    assert "model" not in json.dumps(row) and "order" not in row


@each(
    ("answer", "order", "said"),
    [
        (PairAnswer("first"), (1, 0), "Second is better"),
        (PairAnswer("both_bad"), (1, 0), "Both bad"),
        (RankingAnswer(((1,), (0, 2))), ORDER, "3 > 2 = 1"),
        (RatingsAnswer(({"a": 2}, {"a": 3}, {"a": 1})), ORDER, "1: Calm 1; 2: Calm 2; 3: Calm 3"),
        (SafetyAnswer(("safe", "unsafe", "unsure")), ORDER, "1: Unsure, 2: Safe, 3: Unsafe"),
        (EditAnswer(2, "x"), ORDER, "Another text for response 1"),
        (SkipAnswer("unclear"), ORDER, "Skipped: The prompt is not clear"),
    ],
)
def test_an_answer_is_told_by_the_numbers_on_the_screen(answer, order, said):
    assert said_answer(answer, order, {"a": "Calm"}) == said


def test_answers_are_the_same_whatever_was_edited():
    assert same_answer(PairAnswer("first", "x"), PairAnswer("first"))
    assert not same_answer(PairAnswer("first"), PairAnswer("tie"))
    assert same_answer(RankingAnswer(((0, 1), (2,))), RankingAnswer(((1, 0), (2,))))


def test_known_axes_are_named_in_the_language_of_the_page():
    with speaking("zh"):
        assert axis_names(("helpful", "calm")) == {"helpful": "有用", "calm": "calm"}
