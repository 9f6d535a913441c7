from dataclasses import replace

import pytest

from truing.core.errors import DataError
from truing.core.records import Message, Record, Response, reply, user
from truing.store.answers import PairAnswer, RankingAnswer, SafetyAnswer, VoteAnswer
from truing.store.given import items_of
from truing.store.items import Candidate, ItemPurpose

PAIR = Record(user("q"), (reply("good", source="A"), reply("bad")), place="f:1", category="chat")


def test_a_record_becomes_an_item_with_its_place():
    [item] = items_of([PAIR], "pair")
    assert item.prompt == user("q")
    assert item.responses == (Candidate("good", "A"), Candidate("bad"))
    assert (item.gold, item.row) == (None, {"place": "f:1", "category": "chat"})


@pytest.mark.parametrize(
    ("record", "kind", "answer"),
    [
        (PAIR, "pair", PairAnswer("first")),
        (replace(PAIR, probability=0.5), "pair", PairAnswer("tie")),
        (PAIR, "ranking", RankingAnswer(((0,), (1,)))),
        (
            Record(user("q"), (reply("a", rank=0), reply("b", rank=1), reply("c", rank=1))),
            "ranking",
            RankingAnswer(((0,), (1, 2))),
        ),
        (Record(user("q"), (reply("a", label=False),)), "safety", SafetyAnswer(("unsafe",))),
    ],
)
def test_a_known_answer_is_that_of_the_record(record: Record, kind: str, answer: VoteAnswer):
    [item] = items_of([record], kind, ItemPurpose.GOLD)  # pyright: ignore[reportArgumentType]
    assert item.gold == answer


@pytest.mark.parametrize(
    ("record", "kind", "purpose", "told"),
    [
        (Record(user("q"), place="f:2"), "pair", ItemPurpose.REAL, "f:2 has no response"),
        (PAIR, "ratings", ItemPurpose.TRAINING, "f:1 has no known answer"),
        (
            Record(user("q"), (Response((Message("assistant", "a"), Message("user", "b"))),), place="f:3"),
            "edit",
            ItemPurpose.REAL,
            "f:3 has a response of 2 turns",
        ),
    ],
)
def test_a_record_that_is_no_item_is_an_error(record: Record, kind: str, purpose: ItemPurpose, told: str):
    with pytest.raises(DataError, match=told):
        list(items_of([record], kind, purpose))  # pyright: ignore[reportArgumentType]
