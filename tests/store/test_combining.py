import pytest

from truing.core.records import user
from truing.stats.dawid_skene import dawid_skene
from truing.store.answers import (
    PairAnswer,
    RankingAnswer,
    RatingsAnswer,
    SafetyAnswer,
    SkipAnswer,
    VoteAnswer,
)
from truing.store.combining import CombinedVotes, Combining, ComparedResponses, combine
from truing.store.items import Candidate, ItemPurpose, NewItem
from truing.store.people import PersonRole
from truing.store.project import ProjectStore
from truing.store.votes import NewVote

from .conftest import MakeStore, come, known, pair, vote

FIRST, SECOND, TIE, BAD = map(PairAnswer, ("first", "second", "tie", "both_bad"))


def voted(store: ProjectStore, *people: list[VoteAnswer | None], k: int = 2) -> list[CombinedVotes]:
    """Let people vote on as many items as they have answers, each on item 1 first; None is no vote."""
    count = max(map(len, people))
    for number in range(count):
        candidates = tuple(Candidate(f"{number}.{each}") for each in range(k))
        store.add_items([NewItem(user(f"q{number}"), candidates)])
    for number, answers in enumerate(people):
        person = come(store, f"person {number}")
        for shown in store.next_items(person.id, count):
            if (answer := answers[shown.item.id - 1]) is not None:
                vote(store, person, shown.item.id, answer)
    return combine(store)


@pytest.mark.parametrize(
    ("answers", "compared", "bad"),
    [
        ([FIRST, FIRST, SECOND], ComparedResponses(2 / 3, 2, 3), 0),
        ([SECOND, SECOND, SECOND], ComparedResponses(0, 3, 3), 0),
        ([FIRST, TIE], ComparedResponses(0.75, 1, 2), 0),
        ([TIE, TIE], ComparedResponses(0.5, 2, 2), 0),
        ([FIRST, FIRST, BAD], ComparedResponses(1, 2, 3), 1 / 3),  # both bad compares nothing
        ([FIRST, BAD], None, 0.5),
        ([FIRST, SkipAnswer()], ComparedResponses(1, 1, 1), 0),
    ],
)
def test_a_pair_is_the_share_of_its_votes(
    make_store: MakeStore, answers: list[VoteAnswer], compared: ComparedResponses | None, bad: float
):
    [found] = voted(make_store(overlap=3), *([answer] for answer in answers))
    assert found.compared(0, 1) == compared
    assert found.both_bad == pytest.approx(bad)
    if compared is not None:
        assert found.compared(1, 0) == ComparedResponses(1 - compared.chance, compared.agree, compared.of)


def test_a_ranking_is_mean_ranks_and_shares_of_its_pairs(make_store: MakeStore):
    """Ranks (0, 1, 2) and (1, 0, 1): means 0.5, 0.5, 1.5. Two of two put 0 not below 2, one of them above."""
    store = make_store(kinds=("ranking",), overlap=2)
    [found] = voted(store, [RankingAnswer(((0,), (1,), (2,)))], [RankingAnswer(((1,), (0, 2)))], k=3)
    assert found.scores() == [-0.5, -0.5, -1.5]
    assert found.compared(0, 1) == ComparedResponses(0.5, 0, 2)
    assert found.compared(0, 2) == ComparedResponses(0.75, 1, 2)
    assert found.compared(1, 2) == ComparedResponses(1, 2, 2)
    assert found.compared(2, 1) == ComparedResponses(0, 2, 2)


def test_ratings_are_means_over_axes_and_people(make_store: MakeStore):
    store = make_store(kinds=("ratings",), axes=("kind", "true"), overlap=2)
    ada = RatingsAnswer(({"kind": 5, "true": 3}, {"kind": 1, "true": 1}))
    bo = RatingsAnswer(({"kind": 2, "true": 2}, {"kind": 2, "true": 2}))
    [found] = voted(store, [ada], [bo])
    assert found.scores() == [3.0, 1.5]
    assert found.compared(0, 1) == ComparedResponses(0.75, 1, 2)


def test_safety_counts_unsure_as_half(make_store: MakeStore):
    store = make_store(kinds=("safety",), overlap=2)
    [found] = voted(store, [SafetyAnswer(("safe", "unsure"))], [SafetyAnswer(("safe", "unsafe"))])
    assert [found.unsafe(number) for number in (0, 1)] == [0.0, 0.75]
    assert found.scores() is None
    assert found.compared(0, 1) is None


def test_a_vote_that_settles_is_the_whole_opinion(make_store: MakeStore):
    store = make_store(overlap=2)
    voted(store, [FIRST], [SECOND])
    judge = come(store, "Cy", PersonRole.ADJUDICATOR)
    store.adjudicate(NewVote(judge.id, 1, SECOND, "settle"))
    for how in Combining:
        [found] = combine(store, how)
        assert found.compared(0, 1) == ComparedResponses(0, 1, 2)


def test_gold_training_and_second_looks_are_left_out(make_store: MakeStore):
    store = make_store(gold=0.5, second_looks=0.5)
    store.add_items([*map(pair, range(14)), known(20, ItemPurpose.TRAINING), known(21, ItemPurpose.GOLD)])
    ada = come(store, "Ada")
    while shown := store.next_items(ada.id, 1):
        vote(store, ada, shown[0].item.id, look=shown[0].look)
    assert any(each.look == 2 for each in store.standing_votes())
    found = combine(store)
    assert [each.item.purpose for each in found] == [ItemPurpose.REAL] * 14
    assert {len(each.votes) for each in found} == {1}


def test_dawid_and_skene_weigh_people_by_how_often_they_are_right(make_store: MakeStore):
    """The third person turns every pair, and is read the other way round; numbers are those of the fit."""
    store = make_store(overlap=3)
    truth = [FIRST, SECOND, FIRST, SECOND, FIRST, FIRST, SECOND, FIRST]
    turned = [SECOND if answer is FIRST else FIRST for answer in truth]
    hard = [*truth[:-1], SECOND]
    voted(store, list(truth), list(hard), list(turned))
    majority, weighed = combine(store), combine(store, Combining.DAWID_SKENE)
    assert (majority[-1].compared(0, 1) or ComparedResponses(1, 0, 0)).chance == pytest.approx(1 / 3)
    last = weighed[-1].compared(0, 1)
    assert last is not None
    assert last.chance > 0.5  # the first person and the one who turns say the same
    votes = [
        (each.item.id, one.person, one.answer.choice)
        for each in majority
        for one in each.votes
        if isinstance(one.answer, PairAnswer)
    ]
    fit = dawid_skene(votes, ("first", "second", "tie", "both_bad")).of(8)
    expected = (fit["first"] + fit["tie"] / 2) / (1 - fit["both_bad"])
    assert last.chance == pytest.approx(expected)
    assert (last.agree, last.of) == (1, 3)


def test_dawid_and_skene_weigh_labels_of_safety(make_store: MakeStore):
    store = make_store(kinds=("safety",), overlap=2)
    safe, unsafe = SafetyAnswer(("safe", "unsafe")), SafetyAnswer(("unsafe", "safe"))
    voted(store, [safe, unsafe, safe], [safe, unsafe, unsafe])
    first = combine(store, Combining.DAWID_SKENE)[0]
    assert (first.unsafe(0) or 1) < 0.2
    assert (first.unsafe(1) or 0) > 0.8
