from pathlib import Path

import pytest

from truing.core.errors import DataError
from truing.core.records import Message
from truing.store.answers import (
    EditAnswer,
    PairAnswer,
    RankingAnswer,
    RatingsAnswer,
    SafetyAnswer,
    SkipAnswer,
    VoteAnswer,
)
from truing.store.exchange import TakenIn, VoteRow, take_in, vote_rows
from truing.store.foreign import read_votes_file
from truing.store.items import Candidate, ItemPurpose, NewItem
from truing.store.label_studio import write_label_studio
from truing.store.project import ProjectStore, open_store
from truing.store.settings import KINDS, ProjectSettings
from truing.store.tables import write_table

from .conftest import MakeStore, come, known, pair, vote
from .test_contests import contest


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
    latest = store.latest_key(ada.id)
    assert latest is not None
    shown = store.undo(ada.id, latest, "taken back")
    assert shown is not None and sorted(shown.order) == [0, 1]
    [again] = store.next_items(ada.id, 1)
    assert again.order == shown.order


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


def one_of_each(store: ProjectStore) -> None:
    """Two people answer an item of each kind; lessons, gold items and contests come beside."""
    turns = (Message("system", "be\nbrief"), Message("user", "q", '{"name": "=Ada"}', unread='{"id": 7}'))
    said = (Candidate("-a", "A", {"seed": 1}), Candidate("", "B"), Candidate("\tc"))
    answers: dict[str, tuple[VoteAnswer, VoteAnswer]] = {
        "pair": (PairAnswer("second", edited="=b"), PairAnswer("both_bad")),
        "ranking": (RankingAnswer(((2,), (0, 1))), SkipAnswer("unclear")),
        "ratings": (RatingsAnswer(({"a": 1}, {"a": 5}, {"a": 2})), RatingsAnswer(({"a": 2},) * 3)),
        "safety": (SafetyAnswer(("safe", "unsafe", "unsure")), SafetyAnswer(("safe",) * 3)),
        "edit": (EditAnswer(1, "'text"), EditAnswer(2, "c\r\nd")),
    }
    for place, kind in enumerate(KINDS):
        responses = said[:2] if kind == "pair" else said
        store.add_items([NewItem(turns, responses, kind, row={"place": f"f:{place}"}, priority=place / 4)])
    store.add_items([known(8, ItemPurpose.GOLD), known(9, ItemPurpose.TRAINING), pair(7, kind="pair")])
    ada, bo = come(store, "波"), come(store, "=Bo")
    for person, side in ((bo, 1), (ada, 0)):
        for shown in store.next_items(person.id, 9):
            if shown.item.kind in answers and shown.item.row:
                answer, seconds = answers[shown.item.kind][side], 1.25 + side
                vote(store, person, shown.item.id, answer, seconds=seconds, comment="@c", flag=bool(side))
            elif shown.item.purpose is not ItemPurpose.REAL:
                vote(store, person, shown.item.id, "first")
    for key, models in (("k1", ("A", "B")), ("k2", ("A", "C")), ("k3", ("B", "C"))):
        store.save_contest(contest(ada.id, key, models))


@pytest.mark.parametrize("format_", ["csv", "label-studio"])
def test_a_project_taken_out_and_in_again_is_the_same_of_every_kind(
    make_store: MakeStore, tmp_path: Path, format_: str
):
    """Contests whose models said the same stay as many items, and nothing comes twice."""
    settings = {"kinds": KINDS, "axes": ("a",), "overlap": 2}
    store = make_store(**settings)
    one_of_each(store)
    rows = vote_rows(store)
    assert {row.item.kind for row in rows if row.answer} == set(KINDS)
    assert sum(row.item.by_models for row in rows) == 3
    if format_ == "csv":
        path, kept = tmp_path / "votes.csv", rows
        path.write_bytes(write_table(rows))
    else:
        path, kept = tmp_path / "votes.json", [row for row in rows if row.item.purpose is ItemPurpose.REAL]
        path.write_bytes(write_label_studio(rows))
    votes = sum(row.answer is not None for row in kept)
    before = list(store.items()), list(store.history()), store.people()
    assert take_in(store, read_votes_file(path)) == TakenIn(0, 0, votes)
    assert (list(store.items()), list(store.history()), store.people()) == before
    with open_store(tmp_path / "other.db", ProjectSettings.model_validate(settings)) as other:
        assert take_in(other, read_votes_file(path)).votes == votes
        assert vote_rows(other) == kept
        assert take_in(other, read_votes_file(path)) == TakenIn(0, 0, votes)
        found = {item.key: (item.votes, item.as_new()) for item in other.items()}
    real = [item for item in store.items() if format_ == "csv" or item.purpose is ItemPurpose.REAL]
    assert found == {item.key: (item.votes, item.as_new()) for item in real}


def test_votes_of_namesakes_are_taken_in_as_theirs(make_store: MakeStore):
    """The names that an export gives to two people of one name are known where it comes from."""
    store = make_store(overlap=2)
    store.add_items([pair(0)])
    for choice in ("first", "second"):
        person = come(store, "Ada")
        vote(store, person, store.next_items(person.id)[0].item.id, choice)
    assert take_in(store, vote_rows(store)) == TakenIn(0, 0, 2)
    assert len(store.people()) == 2
    bare = [VoteRow(pair(1, kind="pair"), "Ada", PairAnswer("tie"))]
    assert (take_in(store, bare), take_in(store, bare)) == (TakenIn(1, 1, 0), TakenIn(0, 0, 1))
    assert len(store.people()) == 2
