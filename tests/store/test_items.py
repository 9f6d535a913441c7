import pytest

from truing.core.errors import DataError
from truing.core.records import Message, as_json
from truing.store.answers import PairAnswer, RankingAnswer, SkipAnswer
from truing.store.items import AddedItems, Candidate, ItemPurpose, NewItem

from .conftest import MakeStore, known, pair


def test_an_item_comes_back_as_it_was_given(make_store: MakeStore):
    store = make_store(kinds=("ranking",))
    call = Message("assistant", "", extras=as_json({"tool_calls": [{"id": "1"}]}))
    prompt = (Message("system", "be brief"), Message("user", "你好"), call, Message("tool", "4"))
    responses = (Candidate("a", "M", {"seed": 1}), Candidate("b"), Candidate("c"))
    answer = RankingAnswer(((2,), (0, 1)))
    given = NewItem(prompt, responses, None, ItemPurpose.GOLD, answer, row={"place": "f:3"}, priority=0.5)
    assert store.add_items([given]) == AddedItems(1, 0)
    [item] = store.items(ItemPurpose.GOLD)
    assert (item.prompt, item.responses, item.gold) == (prompt, responses, answer)
    assert (item.kind, item.row, item.priority, item.votes) == ("ranking", {"place": "f:3"}, 0.5, 0)
    assert store.get_items([item.id, 99]) == {item.id: item}


def test_an_item_is_added_once(make_store: MakeStore):
    store = make_store()
    assert store.add_items([pair(0), pair(1), pair(0)]) == AddedItems(2, 1)
    assert store.add_items(pair(number) for number in range(1200)) == AddedItems(1198, 2)
    assert store.count_items() == {ItemPurpose.REAL: 1200, ItemPurpose.GOLD: 0, ItemPurpose.TRAINING: 0}


def test_the_question_is_part_of_the_key(make_store: MakeStore):
    store = make_store()
    assert store.add_items([pair(0), pair(0, kind="ranking")]).new == 2


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (lambda: NewItem((), ()), "without responses"),
        (lambda: pair(0, purpose=ItemPurpose.GOLD), "without its answer"),
        (lambda: pair(0, gold=PairAnswer("tie")), "with a known answer"),
    ],
)
def test_an_item_that_makes_no_sense_is_refused(given: object, told: str):
    with pytest.raises(DataError, match=told):
        given()  # pyright: ignore[reportCallIssue]


def test_one_item_that_does_not_fit_and_none_is_added(make_store: MakeStore):
    store = make_store()
    three = NewItem((), tuple(map(Candidate, "abc")))
    with pytest.raises(DataError, match="a pair with 3 responses"):
        store.add_items([pair(0), three])
    with pytest.raises(DataError, match="does not fit"):
        store.add_items([known(1, ItemPurpose.GOLD, "left")])
    with pytest.raises(DataError, match="does not fit"):
        store.add_items([pair(1, purpose=ItemPurpose.GOLD, gold=SkipAnswer())])
    assert list(store.items()) == []
