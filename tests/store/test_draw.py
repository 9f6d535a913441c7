import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from truing.store.answers import PairAnswer
from truing.store.draw import LOOKED, SECOND_LOOK_AFTER
from truing.store.exchange import VoteRow, take_in
from truing.store.items import ItemPurpose
from truing.store.people import Person
from truing.store.project import ProjectStore

from .conftest import MakeStore, come, known, pair, vote, vote_through


def numbers(store: ProjectStore, person: Person, count: int = 1) -> list[int]:
    return [shown.item.id for shown in store.next_items(person.id, count)]


def test_items_that_others_began_come_first(make_store: MakeStore):
    """Overlap completes: Bo is shown the two items that Ada voted on before any other, then a new one."""
    store = make_store(overlap=2)
    store.add_items(map(pair, range(20)))
    ada, bo, cy = come(store, "Ada"), come(store, "Bo"), come(store, "Cy")
    begun = vote_through(store, ada, 2)
    assert sorted(vote_through(store, bo, 2)) == sorted(begun)
    assert set(vote_through(store, cy, 3)).isdisjoint(begun)


def test_more_votes_then_higher_priority_come_first(make_store: MakeStore):
    store = make_store(overlap=3)
    store.add_items(map(pair, range(6)))
    ids = [item.id for item in store.items()]
    ada, bo, cy = come(store, "Ada"), come(store, "Bo"), come(store, "Cy")
    store.set_priorities({ids[3]: 1.0, ids[1]: 2.0})
    assert vote_through(store, ada, 2) == [ids[1], ids[3]]
    store.set_priorities({ids[3]: 3.0, ids[5]: 9.0})
    assert vote_through(store, bo, 1) == [ids[3]]
    # Two votes on the item before one vote on the next, and none on the item of the highest priority.
    assert vote_through(store, cy, 3) == [ids[3], ids[1], ids[5]]


def test_of_items_that_different_people_began_the_higher_priority_comes_first(make_store: MakeStore):
    store = make_store(overlap=2)
    store.add_items(map(pair, range(3)))
    ids = [item.id for item in store.items()]
    ada, bo, cy = come(store, "Ada"), come(store, "Bo"), come(store, "Cy")
    store.set_priorities({ids[2]: 1.0})
    numbers(store, bo)  # Bo holds the highest open, so that Ada begins another
    store.set_priorities({ids[0]: 3.0})
    assert vote_through(store, ada, 1) == [ids[0]]
    assert vote_through(store, bo, 1) == [ids[2]]
    store.set_priorities({ids[2]: 5.0})
    assert vote_through(store, cy, 2) == [ids[2], ids[0]]


def test_nobody_votes_twice_and_no_item_gets_more_votes_than_it_lacks(make_store: MakeStore):
    store = make_store(overlap=2)
    store.add_items(map(pair, range(12)))
    people = [come(store, name) for name in ("Ada", "Bo", "Cy", "Di")]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda person: vote_through(store, person, 12), people))
    assert all(len(set(seen)) == len(seen) for seen in done)
    votes = Counter(vote.item for vote in store.standing_votes())
    assert set(votes.values()) == {2}
    assert len(votes) == 12
    assert {item.votes for item in store.items()} == {2}


def test_an_open_item_counts_as_a_vote_until_its_lease_ends(make_store: MakeStore):
    store = make_store(overlap=1)
    store.add_items([pair(0)])
    ada, bo = come(store, "Ada"), come(store, "Bo")
    [shown] = store.next_items(ada.id)
    assert store.next_items(bo.id) == []
    store.change_settings(store.settings.model_copy(update={"lease": 1e-9}))
    assert store.next_items(ada.id) == [shown]  # hers again, for a moment
    assert numbers(store, bo) == [shown.item.id]


def test_a_clock_that_is_set_back_keeps_no_item_from_others(make_store: MakeStore, monkeypatch):
    """X8: Ada's item was laid open in a year that has not come yet."""
    store = make_store(overlap=1)
    store.add_items([pair(0)])
    ada, bo = come(store, "Ada"), come(store, "Bo")
    year_on = time.time() + 365 * 86400
    with monkeypatch.context() as clock:
        clock.setattr(time, "time", lambda: year_on)
        [shown] = store.next_items(ada.id)
        assert numbers(store, bo) == []
    assert numbers(store, bo) == [shown.item.id]


def test_who_comes_back_finds_the_items_that_lay_open(make_store: MakeStore):
    store = make_store()
    store.add_items(map(pair, range(9)))
    ada = come(store, "Ada")
    first = store.next_items(ada.id, 3)
    assert store.next_items(ada.id, 3) == first
    vote(store, ada, first[0].item.id)
    later = store.next_items(ada.id, 3)
    assert later[:2] == first[1:]
    fresh = store.next_items(ada.id, 2, held=[shown.item.id for shown in later])
    assert {shown.item.id for shown in fresh}.isdisjoint(shown.item.id for shown in later + first)


def test_the_order_is_drawn_for_each_person_and_kept(make_store: MakeStore):
    """Of 40 pairs some 20 are turned: 40 fair coins leave 8 … 32 once in ten thousand draws."""
    store = make_store(overlap=2, seed=5)
    store.add_items(map(pair, range(40)))
    ada, bo = come(store, "Ada"), come(store, "Bo")
    hers, his = store.next_items(ada.id, 40), store.next_items(bo.id, 40)
    assert [shown.order for shown in store.next_items(ada.id, 40)] == [shown.order for shown in hers]
    assert 8 < sum(shown.order == (1, 0) for shown in hers) < 32
    order = {shown.item.id: shown.order for shown in his}
    assert 8 < sum(order[shown.item.id] != shown.order for shown in hers) < 32


def test_training_comes_first_in_its_own_order(make_store: MakeStore):
    store = make_store()
    store.add_items([pair(0), *(known(number, ItemPurpose.TRAINING) for number in (1, 2, 3))])
    ada = come(store, "Ada")
    shown = store.next_items(ada.id, 4)
    assert [each.item.prompt[0].content for each in shown[:3]] == ["question 1", "question 2", "question 3"]
    assert shown[3].item.purpose is ItemPurpose.REAL
    assert numbers(store, come(store, "Bo")) == numbers(store, ada)  # each person is trained
    assert store.next_items(ada.id, 4, training=False)[0].item.purpose is ItemPurpose.REAL


def test_gold_items_are_mixed_in_by_their_share(make_store: MakeStore):
    """A share of 0.25 of some 80 items is 20, give or take 4 standard deviations of 3.9."""
    store = make_store(gold=0.25, seed=1)
    store.add_items(map(pair, range(60)))
    store.add_items(known(number, ItemPurpose.GOLD) for number in range(100, 140))
    purposes = [shown.item.purpose for shown in store.next_items(come(store, "Ada").id, 200)]
    gold = purposes.count(ItemPurpose.GOLD)
    assert len(purposes) == 60 + gold  # no gold alone once the real items are through
    assert 5 < gold < 36


def test_a_second_look_is_at_an_own_vote_of_some_time_ago(make_store: MakeStore):
    store = make_store(second_looks=0.3, overlap=2)
    store.add_items(map(pair, range(60)))
    ada = come(store, "Ada")
    vote_through(store, ada, 100)
    mine = [vote for vote in store.standing_votes() if vote.person == ada.id]
    first = {vote.item: place for place, vote in enumerate(mine) if vote.look == 1}
    again = {vote.item: place for place, vote in enumerate(mine) if vote.look == 2}
    assert len(first) == 60
    assert 8 < len(again) < 45
    assert all(place - first[item] >= SECOND_LOOK_AFTER for item, place in again.items())
    assert {item.votes for item in store.items()} == {1}  # a second look is no vote of another person


def test_another_overlap_opens_and_closes_items(make_store: MakeStore):
    store = make_store(overlap=1)
    store.add_items(map(pair, range(2)))
    ada, bo = come(store, "Ada"), come(store, "Bo")
    vote_through(store, ada, 2)
    assert numbers(store, bo) == []
    store.change_settings(store.settings.model_copy(update={"overlap": 2}))
    assert len(numbers(store, bo, 2)) == 2


def test_without_items_there_is_nothing_to_show(make_store: MakeStore):
    store = make_store()
    assert store.next_items(come(store, "Ada").id) == []


@pytest.mark.parametrize("share", ["gold", "second_looks"])
def test_a_share_without_items_of_its_kind_shows_real_ones(make_store: MakeStore, share: str):
    store = make_store(**{share: 1.0})
    store.add_items(map(pair, range(4)))
    assert len(store.next_items(come(store, "Ada").id, 4)) == 4


def test_who_ran_ahead_of_the_others_finds_what_they_began(make_store: MakeStore):
    """Behind the first items of all, each of which Ada has seen, lies one of Bo; of two the better comes."""
    store = make_store(overlap=3)
    store.add_items(map(pair, range(LOOKED + 30)))
    ids = [item.id for item in store.items()]
    ada, bo, cy = come(store, "Ada"), come(store, "Bo"), come(store, "Cy")
    store.set_priorities(dict.fromkeys(ids[: LOOKED + 20], 1.0))
    vote_through(store, ada, LOOKED + 20)
    rest = ids[LOOKED + 20 :]
    for person, item in ((bo, rest[0]), (cy, rest[1])):
        rows = [VoteRow(store.get_items([item])[item].as_new(), person.name, PairAnswer("first"))]
        take_in(store, rows)
    store.set_priorities({rest[0]: 0.25, rest[1]: 0.5})
    assert [numbers(store, ada)[0], vote_through(store, ada, 3)[:2]] == [rest[1], [rest[1], rest[0]]]
    assert vote_through(store, bo, 1) == [rest[1]], "it has two votes"


def test_a_priority_of_an_item_that_is_not_there_is_no_matter(make_store: MakeStore):
    store = make_store()
    store.add_items(map(pair, range(3)))
    store.set_priorities({1: 0.5, 3: 2.0, 99: 1.0})
    store.set_priorities({})
    assert [item.priority for item in store.items()] == [0.5, 0.0, 2.0]
