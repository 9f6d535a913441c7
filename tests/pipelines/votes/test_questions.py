"""Votes as what the statistics take, of every kind of question, without what must stay out."""

from tests.pipelines.votes.conftest import pair, vote_all

from truing.core.records import Message
from truing.pipelines.votes.questions import EARLIER, EQUAL, LATER, alike, read_votes
from truing.store.answers import (
    EditAnswer,
    PairAnswer,
    RankingAnswer,
    RatingsAnswer,
    SafetyAnswer,
    SkipAnswer,
)
from truing.store.items import Candidate, ItemPurpose, NewItem


def item(kind, count, **more):
    responses = tuple(Candidate(f"{kind} {i}") for i in range(count))
    return NewItem((Message("user", kind),), responses, kind, **more)


ANSWERS = {
    "pair": PairAnswer("second"),
    "ranking": RankingAnswer(((2,), (0, 1))),
    "ratings": RatingsAnswer(({"helpful": 4, "honest": 5}, {"helpful": 1, "honest": 2})),
    "safety": SafetyAnswer(("safe", "unsafe")),
    "edit": EditAnswer(0, "better"),
}


def test_each_kind_becomes_units_that_two_people_can_agree_on(make_store):
    counts = {"pair": 2, "ranking": 3, "ratings": 2, "safety": 2, "edit": 1}
    store = make_store(
        [item(kind, n) for kind, n in counts.items()],
        kinds=tuple(counts),
        axes=("helpful", "honest"),
        overlap=2,
    )
    for name in ("ann", "bob"):
        vote_all(store, name, lambda shown: ANSWERS[shown.item.kind])
    read = read_votes(store)
    ann, bob = (person.id for person in store.people())
    found = {one.name: [given[ann] for given in one.given] for one in read.questions}
    assert found == {
        "pair": ["second"],
        "ranking": [EQUAL, LATER, LATER],
        "rating: helpful": [4, 1],
        "rating: honest": [5, 2],
        "safety": ["safe", "unsafe"],
    }
    assert EARLIER > EQUAL > LATER
    assert all(set(given) == {ann, bob} for one in read.questions for given in one.given)
    assert [len(set(one.items)) for one in read.questions] == [1] * 5
    assert read.votes == 10
    assert read.pairs == ()  # no model is named


def test_gold_and_second_looks_count_for_people_and_not_for_agreement(make_store):
    items = [pair(f"q{i}", (f"a{i}", f"b{i}")) for i in range(40)]
    gold = [
        pair(f"g{i}", (f"c{i}", f"d{i}"), purpose=ItemPurpose.GOLD, gold=PairAnswer("first"))
        for i in range(8)
    ]
    store = make_store([*items, *gold], gold=0.2, second_looks=0.2)
    looks = {1: PairAnswer("first"), 2: PairAnswer("tie")}
    vote_all(store, "ann", lambda shown: looks[shown.look])
    read = read_votes(store)
    (question,) = read.questions
    assert set(question.items) == {one.id for one in store.items(ItemPurpose.REAL)}
    assert read.votes == len(question.items) == 40
    right = [vote.right for vote in read.raters if vote.right is not None]
    assert right and all(right)
    again = [vote.same for vote in read.raters if vote.same is not None]
    assert again and not any(again)


def test_the_side_and_the_models_of_a_choice_are_read_from_the_stored_order(make_store):
    store = make_store([pair(f"q{i}", (f"a{i}", f"b{i}")) for i in range(30)])
    order: dict[int, tuple[int, ...]] = {}

    def left(shown):
        order[shown.item.id] = shown.order
        return PairAnswer(("first", "second")[shown.order[0]])

    vote_all(store, "ann", left)
    read = read_votes(store)
    assert all(vote.shown_first for vote in read.raters)
    assert {one.outcome for one in read.pairs} == {"first", "second"}
    assert {(one.first, one.second) for one in read.pairs} == {("A", "B")}
    assert {order[v.item][0] == 0 for v in read.raters if v.answer == "first"} == {True}


def test_skips_say_nothing_and_are_counted(make_store):
    store = make_store([pair("q", ("a", "b"))])
    vote_all(store, "ann", lambda shown: SkipAnswer("unclear"), most=1)
    read = read_votes(store)
    assert (read.votes, read.skips, read.questions, read.raters) == (1, 1, (), ())


def test_answers_are_alike_by_what_they_say_and_not_by_their_text():
    assert alike(PairAnswer("first", edited="x"), PairAnswer("first"))
    assert not alike(PairAnswer("first"), PairAnswer("tie"))
    near = RatingsAnswer(({"helpful": 4},)), RatingsAnswer(({"helpful": 5},))
    assert alike(*near)
    assert not alike(RatingsAnswer(({"helpful": 3},)), near[1])
    assert alike(EditAnswer(0, "x"), EditAnswer(0, "x")) is None
