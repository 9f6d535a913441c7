import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import combinations
from pathlib import Path

import pytest
from sqlalchemy import delete, event
from sqlalchemy.engine import Engine

from truing.core.errors import UsageError
from truing.store.answers import PairAnswer, RankingAnswer, SkipAnswer
from truing.store.exchange import VoteRow, take_in
from truing.store.people import hold
from truing.store.project import ProjectStore, open_store
from truing.store.schema import leases
from truing.store.settings import ProjectSettings
from truing.store.votes import NewVote, NotAskedError

from .conftest import MakeStore, come, pair, vote, vote_through

VOTING = """
import sys
from truing.store.answers import PairAnswer
from truing.store.people import PersonRole
from truing.store.project import open_store
from truing.store.settings import ProjectSettings
from truing.store.votes import NewVote

store = open_store(sys.argv[1])
person = store.add_person("Ada", PersonRole.ANNOTATOR).id
while shown := store.next_items(person, 1):
    number = shown[0].item.id
    store.save(NewVote(person, number, PairAnswer("second"), f"key-{number}"))
    print(number, flush=True)
"""


def test_a_vote_is_stored_with_all_that_was_said(make_store: MakeStore):
    store = make_store()
    store.add_items([pair(0)])
    ada = come(store, "Ada")
    [shown] = store.next_items(ada.id)
    saved = vote(store, ada, shown.item.id, "both_bad", seconds=2.5, comment="太短", flag=True)
    assert saved.new
    assert saved.replaced is None
    [found] = store.standing_votes()
    assert (found.id, found.act, found.person, found.item, found.look) == (saved.id, "vote", ada.id, 1, 1)
    assert (found.answer, found.order) == (PairAnswer("both_bad"), shown.order)
    assert (found.seconds, found.comment, found.flag) == (2.5, "太短", True)
    assert store.standing_count(ada.id) == 1
    assert store.standing_count(come(store, "Ben").id) == 0


def test_a_replay_is_one_vote_and_returns_the_first(make_store: MakeStore):
    store = make_store()
    store.add_items([pair(0)])
    ada = come(store, "Ada")
    [shown] = store.next_items(ada.id)
    first = vote(store, ada, shown.item.id, client_key="one")
    again = vote(store, ada, shown.item.id, "second", client_key="one")
    assert (again.id, again.new) == (first.id, False)
    [found] = store.history()
    assert found.answer == PairAnswer("first")


def test_replays_at_once_are_one_vote(make_store: MakeStore):
    store = make_store()
    store.add_items([pair(0)])
    ada = come(store, "Ada")
    [shown] = store.next_items(ada.id)
    with ThreadPoolExecutor(8) as pool:
        click = lambda _: vote(store, ada, shown.item.id, client_key="one")  # noqa: E731
        saved = list(pool.map(click, range(8)))
    assert len({each.id for each in saved}) == 1
    assert sum(each.new for each in saved) == 1
    assert len(list(store.history())) == 1


def test_a_vote_and_a_fetch_of_one_page_never_wait_for_each_other(make_store: MakeStore):
    """A vote holds the person first and the lease last; a fetch in another order would close a circle."""
    store = make_store()
    store.add_items([pair(number) for number in range(4)])
    ada = come(store, "Ada")
    held = [shown.item.id for shown in store.next_items(ada.id, 3)]
    with ThreadPoolExecutor(1) as pool:
        with store._database.writing() as connection:
            hold(connection, ada.id)
            fetched = pool.submit(store.next_items, ada.id, 1, held=held)
            assert not wait([fetched], timeout=0.5).done, "it waits for the vote"
            connection.execute(delete(leases).where(leases.c.person_id == ada.id))
        assert len(fetched.result(timeout=10)) == 1


def test_another_vote_on_an_item_stands_in_place_of_the_first(make_store: MakeStore):
    """A double click with two keys too: one vote stands, and the item counts it once."""
    store = make_store(overlap=2)
    store.add_items([pair(0)])
    ada = come(store, "Ada")
    [shown] = store.next_items(ada.id)
    first = vote(store, ada, shown.item.id, "first")
    second = vote(store, ada, shown.item.id, "tie")
    assert second.replaced == first.id
    assert [found.answer for found in store.standing_votes()] == [PairAnswer("tie")]
    assert [found.id for found in store.history()] == [first.id, second.id]
    assert next(store.items()).votes == 1


def test_the_later_vote_stands_whatever_the_clock_says(make_store: MakeStore, monkeypatch):
    """X8: the clock was set back by a year between the two."""
    store = make_store()
    store.add_items([pair(0)])
    ada = come(store, "Ada")
    [shown] = store.next_items(ada.id)
    year_on = time.time() + 365 * 86400
    with monkeypatch.context() as clock:
        clock.setattr(time, "time", lambda: year_on)
        vote(store, ada, shown.item.id, "first")
    later = vote(store, ada, shown.item.id, "tie", client_key="later")
    assert later.replaced is not None
    assert [found.answer for found in store.standing_votes()] == [PairAnswer("tie")]
    undone = store.undo(ada.id, "later", "undo-1")
    assert undone is not None and list(store.standing_votes()) == []
    assert [row.act for row in store.history()] == ["vote", "vote", "undo"]


def test_an_undo_is_a_row_and_opens_the_item_again(make_store: MakeStore):
    store = make_store()
    store.add_items([pair(0), pair(1)])
    ada, bo = come(store, "Ada"), come(store, "Bo")
    shown = store.next_items(ada.id, 2)
    for each in shown:
        vote(store, ada, each.item.id, client_key=f"vote-{each.item.id}")
    undone = store.undo(ada.id, f"vote-{shown[1].item.id}", "undo-1")
    assert undone is not None
    assert (undone.item.id, undone.order) == (shown[1].item.id, shown[1].order)
    assert undone.item.votes == 0 or undone.item.votes == 1
    again = store.undo(ada.id, f"vote-{shown[1].item.id}", "undo-1")
    assert again is not None and again.item.id == undone.item.id  # a replay takes back no second vote
    assert [found.item for found in store.standing_votes()] == [shown[0].item.id]
    assert [(row.act, row.undoes) for row in store.history()] == [("vote", None), ("vote", None), ("undo", 2)]
    assert store.next_items(bo.id) == []  # it lies open before Ada
    assert [each.item.id for each in store.next_items(ada.id)] == [shown[1].item.id]
    vote(store, ada, shown[1].item.id, "second")
    assert [found.answer for found in store.standing_votes()] == [PairAnswer("first"), PairAnswer("second")]


def test_a_replay_of_a_vote_that_was_undone_changes_nothing(make_store: MakeStore):
    store = make_store()
    store.add_items([pair(0)])
    ada = come(store, "Ada")
    [shown] = store.next_items(ada.id)
    vote(store, ada, shown.item.id, client_key="one")
    store.undo(ada.id, "one", "undo")
    assert not vote(store, ada, shown.item.id, client_key="one").new
    assert list(store.standing_votes()) == []


def test_without_a_vote_there_is_nothing_to_undo(make_store: MakeStore):
    store = make_store()
    assert store.undo(come(store, "Ada").id, "vote", "undo") is None


def test_a_skip_is_kept_counts_nothing_and_is_not_asked_again(make_store: MakeStore):
    store = make_store()
    store.add_items([pair(0)])
    ada, bo = come(store, "Ada"), come(store, "Bo")
    [shown] = store.next_items(ada.id)
    vote(store, ada, shown.item.id, SkipAnswer("both in Latin"))
    assert store.next_items(ada.id) == []
    assert vote_through(store, bo, 5) == [shown.item.id]
    assert next(store.items()).votes == 1


def test_an_item_that_was_not_shown_takes_no_vote(make_store: MakeStore):
    store = make_store(overlap=2)
    store.add_items([pair(0)])
    ada, bo = come(store, "Ada"), come(store, "Bo")
    [shown] = store.next_items(ada.id)
    for person, item, look in ((bo, shown.item.id, 1), (ada, 99, 1), (ada, shown.item.id, 2)):
        with pytest.raises(NotAskedError, match="was not shown"):
            vote(store, person, item, look=look)
    assert list(store.history()) == []


@pytest.mark.parametrize("answer", [PairAnswer("left"), RankingAnswer(((0,), (1,)))])  # pyright: ignore[reportArgumentType]
def test_an_answer_to_another_question_is_refused(make_store: MakeStore, answer: PairAnswer | RankingAnswer):
    store = make_store()
    store.add_items([pair(0)])
    ada = come(store, "Ada")
    [shown] = store.next_items(ada.id)
    with pytest.raises(UsageError, match="does not fit the item"):
        vote(store, ada, shown.item.id, answer)
    assert list(store.history()) == []


@pytest.mark.parametrize("key", ["", "x" * 65])
def test_a_key_has_1_to_64_letters(key: str):
    with pytest.raises(UsageError, match="key of"):
        NewVote(1, 1, SkipAnswer(), key)


def test_a_killed_process_loses_no_vote_that_it_told(make_store: MakeStore, place: str):
    store = make_store()
    store.add_items(map(pair, range(4000)))
    process = subprocess.Popen(
        [sys.executable, "-c", VOTING, place], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert process.stdout is not None
    told = [int(process.stdout.readline()) for _ in range(25)]
    os.kill(process.pid, signal.SIGKILL)
    told += [int(line) for line in process.stdout.read().split("\n") if line.strip()]
    process.wait()
    process.stdout.close()
    stored = [found.item for found in store.standing_votes()]
    assert stored[: len(told)] == told
    assert len(stored) <= len(told) + 1  # one may have been stored and not yet told
    assert sum(item.votes for item in store.items()) == len(stored)
    [person] = store.people()
    assert store.next_items(person.id, 1)[0].item.id not in stored


@pytest.fixture
def steps() -> Iterator[list[int]]:
    """The work of SQLite's machine in units of 10 instructions; the disk is not waited for."""
    counted = [0]

    def tick() -> None:
        counted[0] += 1

    def count(connection: object, _record: object) -> None:
        connection.set_progress_handler(tick, 10)  # pyright: ignore[reportAttributeAccessIssue]
        connection.execute("PRAGMA synchronous = OFF")  # pyright: ignore[reportAttributeAccessIssue]

    event.listen(Engine, "connect", count)
    yield counted
    event.remove(Engine, "connect", count)


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_the_work_of_a_vote_does_not_grow_with_the_votes(make_store: MakeStore, steps: list[int]):
    """Votes 170 to 200 of a person cost what votes 20 to 50 did, drawing and second looks included."""
    store = make_store(overlap=2, second_looks=0.1)
    store.add_items(map(pair, range(300)))
    ada = come(store, "Ada")
    costs: list[int] = []
    for votes in (20, 30, 120, 30):
        before = steps[0]
        vote_through(store, ada, votes)
        costs.append(steps[0] - before)
    assert costs[3] < 1.1 * costs[1]


def crowded(store: ProjectStore, groups: int) -> None:
    """Let pairs of people vote on 120 items, each pair on as many: `groups` of pairs."""
    store.add_items(map(pair, range(120)))
    items = [item.as_new() for item in store.items()]
    couples = list(combinations("abcdefghijklmnopqrstuv", 2))[:groups]
    rows = [
        VoteRow(item, name, PairAnswer("first"))
        for place, item in enumerate(items)
        for name in couples[place % groups]
    ]
    take_in(store, rows)


def test_the_work_of_a_draw_does_not_grow_with_the_groups_of_people(tmp_path: Path, steps: list[int]):
    costs: dict[int, int] = {}
    for groups in (2, 120):
        with open_store(tmp_path / f"{groups}.db", ProjectSettings(overlap=3)) as store:
            crowded(store, groups)
            ada = come(store, "Ada")
            vote_through(store, ada, 5)
            before = steps[0]
            vote_through(store, ada, 20)
            costs[groups] = steps[0] - before
    assert costs[120] < 1.1 * costs[2]


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_the_work_of_finding_disagreements_does_not_grow_with_the_votes(
    make_store: MakeStore, steps: list[int]
):
    store = make_store(overlap=2)
    costs: list[int] = []
    people = [come(store, name) for name in ("Ada", "Bo")]
    for _ in range(2):
        store.add_items(map(pair, range(150 * len(costs), 150 * len(costs) + 150)))
        for person in people:
            vote_through(store, person, 150)
        [first, *_] = store.items()
        vote(store, people[1], first.id, "tie")
        before = steps[0]
        assert [one.item.id for one in store.disagreements(count=1)] == [first.id]
        assert store.count_disagreements() == 1
        costs.append(steps[0] - before)
    assert costs[1] < costs[0] + 8, "80 instructions, where 300 more votes stand"


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """The statements that are sent to the database."""
    said: list[str] = []
    count = lambda *given: said.append(given[2])  # noqa: E731
    event.listen(Engine, "before_cursor_execute", count)
    yield said
    event.remove(Engine, "before_cursor_execute", count)


def test_a_vote_and_the_next_item_take_few_statements(make_store: MakeStore, statements: list[str]):
    store = make_store(overlap=2)
    store.add_items(map(pair, range(20)))
    ada = come(store, "Ada")
    first, *rest = store.next_items(ada.id, 4)
    held = [shown.item.id for shown in rest]
    statements.clear()
    vote(store, ada, first.item.id)
    assert len(statements) <= 8, statements
    statements.clear()
    assert len(store.next_items(ada.id, 1, held=held)) == 1
    assert len(statements) <= 9, statements
    statements.clear()
    assert len(store.next_items(ada.id, 1, held=held)) == 1  # the one that lies open
    assert len(statements) <= 5, statements
