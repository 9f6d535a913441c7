from truing.store.answers import PairAnswer, SkipAnswer
from truing.store.counts import count_votes
from truing.store.items import ItemPurpose
from truing.store.people import PersonRole
from truing.store.votes import NewVote

from .conftest import MakeStore, come, known, pair, vote


def test_counts_are_those_of_the_standing_votes(make_store: MakeStore):
    """Ada votes on items 1 to 3 and skips 4, is right on one of two gold items; Bo disagrees on item 1."""
    store = make_store(overlap=2, gold=0.0)
    store.add_items([*map(pair, range(1, 6)), *(known(n, ItemPurpose.TRAINING) for n in (6, 7))])
    ada, bo = come(store, "Ada"), come(store, "Bo", PersonRole.ADJUDICATOR)
    store.invite()
    for shown in store.next_items(ada.id, 2):  # training
        vote(store, ada, shown.item.id, "first")
    for shown in store.next_items(ada.id, 5):
        if shown.item.id == 4:
            vote(store, ada, 4, SkipAnswer())
        elif shown.item.id < 4:
            vote(store, ada, shown.item.id, "first", seconds=shown.item.id, flag=shown.item.id == 2)
    for shown in store.next_items(bo.id, 9):
        if shown.item.id in (1, 2):
            vote(
                store, bo, shown.item.id, "second" if shown.item.id == 1 else PairAnswer("first", edited="x")
            )
    found = count_votes(store)
    assert (found.real, found.training, found.gold, found.votes) == (5, 2, 0, 5)
    assert (found.done, found.begun, found.disagreements, found.invitations) == (2, 1, 1, 1)
    hers, his = found.people
    assert (hers.votes, hers.skips, hers.flags, hers.seconds, hers.gold) == (3, 1, 1, 2.0, 0)
    assert (his.votes, his.seconds) == (2, None)
    store.adjudicate(NewVote(bo.id, 3, PairAnswer("tie"), "settle"))
    assert count_votes(store).done == 3
    assert "2 have their 2 votes, 1 some, 2 none" in "\n".join(found.lines())


def test_gold_items_that_were_answered_right_are_counted(make_store: MakeStore):
    store = make_store(gold=1.0)
    store.add_items([*map(pair, range(3)), *(known(n, ItemPurpose.GOLD) for n in (10, 11))])
    ada = come(store, "Ada")
    gold = [shown for shown in store.next_items(ada.id, 3) if shown.item.purpose is ItemPurpose.GOLD]
    vote(store, ada, gold[0].item.id, PairAnswer("first", edited="mine"))
    vote(store, ada, gold[1].item.id, "tie")
    [hers] = count_votes(store).people
    assert (hers.gold, hers.right, hers.votes) == (2, 1, 0)
    assert "1 of 2 gold items right" in hers.line()
