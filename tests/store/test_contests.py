"""An item and the vote on it come together: the drawn sides, replays, and items that say the same."""

from typing import Any

import pytest

from truing.core.errors import UsageError
from truing.core.records import user
from truing.store.answers import PairAnswer, RankingAnswer
from truing.store.contests import ContestVote
from truing.store.items import Candidate, NewItem

from .conftest import MakeStore, come


def contest(person: int, key: str = "k", models: tuple[str, str] = ("a", "b"), **how: Any) -> ContestVote:
    responses = tuple(Candidate("the same", model, {"seed": 1}) for model in models)
    item = NewItem(user("q"), responses, kind="pair", row={"source": "arena"})
    given = {"order": (1, 0), "answer": PairAnswer("first"), **how}
    return ContestVote(person, item, client_key=key, **given)


def test_the_vote_is_stored_with_its_item_and_the_sides_that_were_drawn(make_store: MakeStore):
    store = make_store(kinds=("ranking",))
    ada = come(store, "Ada")
    assert store.save_contest(contest(ada.id, seconds=2.5)).new
    [vote], [item] = list(store.standing_votes()), list(store.items())
    assert (vote.item, vote.order, vote.answer) == (item.id, (1, 0), PairAnswer("first"))
    assert vote.seconds == 2.5
    assert [each.model for each in item.responses] == ["a", "b"]
    assert [each.meta for each in item.responses] == [{"seed": 1}] * 2
    assert item.row == {"source": "arena"} and item.votes == 1
    assert store.next_items(ada.id) == [], "nobody is asked about it again"


def test_a_replay_is_one_vote_and_other_models_that_say_the_same_are_another_item(make_store: MakeStore):
    store = make_store()
    ada = come(store, "Ada")
    first = store.save_contest(contest(ada.id))
    again = store.save_contest(contest(ada.id, answer=PairAnswer("tie")))
    assert (again.id, again.new) == (first.id, False)
    store.save_contest(contest(ada.id, "k2", ("a", "c")))
    assert [vote.answer for vote in store.standing_votes()] == [PairAnswer("first")] * 2
    assert len(list(store.items())) == 2


def test_the_same_round_again_is_a_second_vote_in_place_of_the_first(make_store: MakeStore):
    store = make_store()
    ada = come(store, "Ada")
    store.save_contest(contest(ada.id))
    store.save_contest(contest(ada.id, "k2", order=(0, 1), answer=PairAnswer("tie")))
    [vote] = store.standing_votes()
    assert (vote.order, vote.answer) == ((0, 1), PairAnswer("tie"))
    assert len(list(store.history())) == 2


def test_an_answer_that_does_not_fit_leaves_no_item_behind(make_store: MakeStore):
    store = make_store()
    ada = come(store, "Ada")
    with pytest.raises(UsageError):
        store.save_contest(contest(ada.id, answer=RankingAnswer(((0,), (1,)))))
    assert list(store.items()) == []
