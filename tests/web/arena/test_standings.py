"""Standings from the votes of a project."""

from pathlib import Path

from truing.core.records import user
from truing.stats.model_strengths import PairVote
from truing.store.answers import PairAnswer, PairChoice
from truing.store.contests import ContestVote
from truing.store.items import Candidate, NewItem
from truing.store.people import PersonRole
from truing.store.project import ProjectStore, open_store
from truing.web.arena.standings import ONE_PERSON, VotedPairs, compared_pairs, standings


def vote(store: ProjectStore, models: tuple[str | None, str | None], choice: PairChoice, number: int) -> None:
    person = next(iter(store.people()), None) or store.add_person("Ada", PersonRole.ADMIN)
    item = NewItem(user(f"q{number}"), tuple(Candidate(f"says {m}", m) for m in models), kind="pair")
    store.save_contest(ContestVote(person.id, item, (0, 1), PairAnswer(choice), f"key {number}"))


def test_votes_of_two_known_models_are_read_and_others_left_out(tmp_path: Path):
    with open_store(tmp_path / "project.db") as store:
        vote(store, ("a", "b"), "first", 1)
        vote(store, ("b", "a"), "tie", 2)
        vote(store, ("a", None), "first", 3)
        vote(store, ("a", "a"), "first", 4)
        voted, ada = VotedPairs(store), store.people()[0].id
        assert list(voted) == [("a", "b", "first", ada), ("b", "a", "tie", ada)]
        vote(store, ("a", "b"), "both_bad", 5)
        assert compared_pairs(list(voted)) == {frozenset("ab"): 3}, "read anew, with the votes since"


def test_the_stronger_model_stands_first_with_its_interval_and_counts():
    votes = [PairVote("a", "b", "second", person) for person in "xyz" for _ in range(2)]
    votes += [PairVote("b", "a", "tie", "x"), PairVote("a", "b", "both_bad", "y")]
    found = standings(votes, ["a", "b", "c"])
    first, second, third = found.models
    assert [one.model for one in (first, second, third)] == ["b", "a", "c"]
    assert (first.wins, first.ties, first.losses) == (6, 1, 0)
    assert (second.wins, second.ties, second.losses) == (0, 1, 6)
    assert first.strength and first.strength.low < first.strength.estimate < first.strength.high
    assert (third.strength, third.undefined) == (None, "not compared yet")
    assert (found.votes, found.bad) == (8, 1) and ONE_PERSON not in found.notes


def test_the_votes_of_one_person_have_an_interval_and_a_note():
    votes = [PairVote("a", "b", "first", 1)] * 4
    found = standings(votes, [])
    assert found.models[0].strength and found.models[0].strength.low < 0.5 < found.models[0].strength.high
    assert ONE_PERSON in found.notes


def test_before_the_first_vote_every_model_is_there():
    found = standings([], ["a", "b"])
    assert [(one.model, one.strength) for one in found.models] == [("a", None), ("b", None)]


def test_votes_that_find_both_bad_move_no_strength():
    votes = [PairVote("a", "b", "first", 1), PairVote("a", "b", "second", 2)]
    bad = [PairVote("a", "b", "both_bad", 1)] * 9
    without, with_bad = (standings(given, []).models for given in (votes, votes + bad))
    assert [one.strength for one in without] == [one.strength for one in with_bad]
