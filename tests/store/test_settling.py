import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection

from truing.core.errors import UsageError
from truing.store.answers import PairAnswer, RankingAnswer, RatingsAnswer, SkipAnswer
from truing.store.people import PersonRole
from truing.store.settings import ProjectSettings
from truing.store.settling import adjudicate
from truing.store.votes import NewVote, SavedVote

from .conftest import MakeStore, come, pair, vote


def test_a_disagreement_is_found_and_settled(make_store: MakeStore):
    store = make_store(overlap=2)
    store.add_items(map(pair, range(4)))
    ada, bo = come(store, "Ada"), come(store, "Bo")
    judge = come(store, "Cy", PersonRole.ADJUDICATOR)
    answers = {1: ("first", "second"), 2: ("tie", "tie"), 3: ("first", None), 4: (None, None)}
    for person, side in ((ada, 0), (bo, 1)):
        for shown in store.next_items(person.id, 4):
            chosen = answers[shown.item.id][side]
            vote(store, person, shown.item.id, SkipAnswer() if chosen is None else chosen)
    [found] = store.disagreements()
    assert found.item.id == 1
    assert [each.answer for each in found.votes] == [PairAnswer("first"), PairAnswer("second")]
    saved = store.adjudicate(NewVote(judge.id, 1, PairAnswer("tie"), "settle"))
    assert store.adjudicate(NewVote(judge.id, 1, PairAnswer("first"), "settle")) == SavedVote(
        saved.id, new=False
    )
    assert store.disagreements() == []
    [found] = store.disagreements(unsettled=False)
    assert found.settled is not None
    assert found.settled.answer == PairAnswer("tie")
    assert len(list(store.standing_votes())) == 8  # a settlement is no vote on the item
    later = store.adjudicate(NewVote(judge.id, 1, PairAnswer("second"), "again"))
    assert later.replaced == saved.id
    assert [each.answer for each in store.settling_votes()] == [PairAnswer("second")]


def test_an_edited_text_is_no_disagreement(make_store: MakeStore):
    store = make_store(overlap=2)
    store.add_items([pair(0)])
    for name in ("Ada", "Bo"):
        person = come(store, name)
        [shown] = store.next_items(person.id)
        vote(store, person, shown.item.id, PairAnswer("first", edited=name))
    assert store.disagreements() == []


def test_a_settled_item_is_asked_of_nobody(make_store: MakeStore):
    store = make_store(overlap=2)
    store.add_items([pair(0)])
    admin = come(store, "Ada", PersonRole.ADMIN)
    store.adjudicate(NewVote(admin.id, 1, PairAnswer("tie"), "settle"))
    store.change_settings(store.settings.model_copy(update={"overlap": 3}))
    assert store.next_items(come(store, "Bo").id) == []


def test_only_some_may_settle_and_only_with_an_answer(make_store: MakeStore):
    store = make_store()
    store.add_items([pair(0)])
    ada, judge = come(store, "Ada"), come(store, "Cy", PersonRole.ADJUDICATOR)
    for given, told in (
        (NewVote(ada.id, 1, PairAnswer("tie"), "1"), "may not settle"),
        (NewVote(judge.id, 1, SkipAnswer(), "2"), "settles nothing"),
        (NewVote(judge.id, 7, PairAnswer("tie"), "3"), "no item 7"),
        (NewVote(judge.id, 1, PairAnswer("left"), "4"), "does not fit"),  # pyright: ignore[reportArgumentType]
    ):
        with pytest.raises(UsageError, match=told):
            store.adjudicate(given)
    assert list(store.history()) == []


def test_disagreements_come_in_parts_and_end_with_the_votes_that_differ(make_store: MakeStore):
    store = make_store(overlap=2)
    store.add_items(map(pair, range(4)))
    ada, bo = come(store, "Ada"), come(store, "Bo")
    for person, choice in ((ada, "first"), (bo, "second")):
        for shown in store.next_items(person.id, 4):
            vote(store, person, shown.item.id, choice, client_key=f"{person.id}-{shown.item.id}")
    ids = [one.item.id for one in store.disagreements()]
    assert [one.item.id for one in store.disagreements(count=2, held=ids[:1])] == ids[1:3]
    assert store.undo(bo.id, f"{bo.id}-{ids[0]}", "undo") is not None
    vote(store, ada, ids[1], "second")
    assert [one.item.id for one in store.disagreements()] == ids[2:]
    assert store.count_disagreements() == 2


def test_rankings_and_ratings_that_say_the_same_are_no_disagreement(make_store: MakeStore):
    """The responses of a group and the axes of a rating stand in any order."""
    store = make_store(overlap=2, kinds=("ranking", "ratings"), axes=("a", "b"))
    store.add_items([pair(0, kind="ranking"), pair(1, kind="ratings")])
    answers = {
        "ranking": (RankingAnswer(((0, 1),)), RankingAnswer(((1, 0),))),
        "ratings": (RatingsAnswer(({"a": 1, "b": 2},) * 2), RatingsAnswer(({"b": 2, "a": 1},) * 2)),
    }
    for place, name in enumerate(("Ada", "Bo")):
        person = come(store, name)
        for shown in store.next_items(person.id, 2):
            vote(store, person, shown.item.id, answers[shown.item.kind][place])
    assert store.disagreements() == []


def test_a_vote_that_waits_for_its_item_to_be_settled_leaves_it_settled(make_store: MakeStore):
    store = make_store(overlap=3)
    store.add_items([pair(0)])
    ada, bo, dee = (come(store, name) for name in ("Ada", "Bo", "Dee"))
    judge = come(store, "Cy", PersonRole.ADJUDICATOR)
    [item] = {store.next_items(person.id, 1)[0].item.id for person in (ada, bo)}
    vote(store, ada, item)
    with ThreadPoolExecutor() as pool:

        def settle(connection: Connection, settings: ProjectSettings):
            adjudicate(connection, settings, NewVote(judge.id, item, PairAnswer("first"), "settle"))
            late = pool.submit(vote, store, bo, item, "second")
            time.sleep(0.3)  # until it waits
            assert not late.done()
            return late

        assert store.transact(settle).result().new
    assert store.count_disagreements() == 0
    assert [one.settled is not None for one in store.disagreements(unsettled=False)] == [True]
    assert store.next_items(dee.id, 1) == []
