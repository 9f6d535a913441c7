from pathlib import Path

import pytest

from truing.core.errors import DataError
from truing.store.answers import PairAnswer, RatingsAnswer, SkipAnswer
from truing.store.exchange import TakenIn, VoteRow, take_in, vote_rows
from truing.store.project import ProjectStore, open_store
from truing.store.settings import ProjectSettings

from .conftest import MakeStore, come, pair, vote


def voted(store: ProjectStore) -> list[VoteRow]:
    """Let two people vote on the first items of four, each in another way."""
    store.add_items(map(pair, range(4)))
    ada, bo = come(store, "Ada"), come(store, "波")
    for shown in store.next_items(ada.id, 3):
        vote(
            store,
            ada,
            shown.item.id,
            PairAnswer("second", edited="=mended"),
            seconds=1.25,
            comment="-1",
            flag=True,
        )
    for shown in store.next_items(bo.id, 2):
        vote(store, bo, shown.item.id, SkipAnswer("@unclear") if shown.item.id == 1 else "tie")
    return vote_rows(store)


def test_votes_taken_into_another_project_are_the_same(make_store: MakeStore, tmp_path: Path):
    rows = voted(make_store(overlap=2))
    assert [row.person for row in rows].count(None) == 1
    with open_store(tmp_path / "other.db", ProjectSettings(overlap=2)) as other:
        assert take_in(other, rows) == TakenIn(4, 5, 0)
        assert vote_rows(other) == rows
        assert take_in(other, rows) == TakenIn(0, 0, 5)
        assert vote_rows(other) == rows
        assert [person.name for person in other.people()] == ["Ada", "波"]


def test_an_order_that_a_file_does_not_tell_stays_unknown_until_the_item_is_shown(make_store: MakeStore):
    store = make_store()
    take_in(store, [VoteRow(pair(1, kind="pair"), "Ada", PairAnswer("first"))])
    [ada] = store.people()
    [stands] = store.standing_votes()
    assert stands.order == ()
    assert vote_rows(store)[0].order == ()
    shown = store.undo(ada.id, "taken back")
    assert shown is not None and sorted(shown.order) == [0, 1]
    assert store.shown(ada.id, stands.item) == shown


def test_a_file_that_does_not_fit_adds_nothing(make_store: MakeStore):
    store = make_store()
    bad = VoteRow(pair(2, kind="pair"), "Ada", RatingsAnswer(({"helpful": 1},)), place="votes.csv:9")
    with pytest.raises(DataError, match=r"votes\.csv:9: the answer does not fit"):
        take_in(store, [VoteRow(pair(1, kind="pair"), "Ada", PairAnswer("tie")), bad])
    assert list(store.items()) == []
    assert store.people() == []


def test_people_of_one_name_stay_two(make_store: MakeStore):
    store = make_store(overlap=2)
    store.add_items([pair(0)])
    for choice in ("first", "second"):
        person = come(store, "Ada")
        vote(store, person, store.next_items(person.id)[0].item.id, choice)
    assert [row.person for row in vote_rows(store)] == ["Ada (1)", "Ada (2)"]
