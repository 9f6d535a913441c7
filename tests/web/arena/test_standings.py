"""Standings from the votes of a project."""

from pathlib import Path

from truing.core.records import user
from truing.store.answers import PairAnswer, PairChoice
from truing.store.contests import ContestVote
from truing.store.items import Candidate, NewItem
from truing.store.people import PersonRole
from truing.store.project import ProjectStore, open_store
from truing.web.arena.standings import ModelPair, VotedPairs, compared_pairs, standings


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
        voted = VotedPairs(store)
        assert list(voted) == [("a", "b", "first"), ("b", "a", "tie")]
        vote(store, ("a", "b"), "both_bad", 5)
        assert compared_pairs(list(voted)) == {frozenset("ab"): 3}, "read anew, with the votes since"


def test_the_stronger_model_stands_first_with_its_interval_and_counts():
    pairs = [ModelPair("a", "b", "second")] * 6 + [
        ModelPair("b", "a", "tie"),
        ModelPair("a", "b", "both_bad"),
    ]
    first, second, third = standings(pairs, ["a", "b", "c"])
    assert [one.model for one in (first, second, third)] == ["b", "a", "c"]
    assert (first.wins, first.ties, first.losses, first.both_bad) == (6, 1, 0, 1)
    assert (second.wins, second.ties, second.losses, second.both_bad) == (0, 1, 6, 1)
    assert first.strength and first.strength.low < first.strength.estimate < first.strength.high
    assert third.strength is None, "never compared"


def test_votes_that_find_both_bad_move_no_strength():
    pairs = [ModelPair("a", "b", "first"), ModelPair("a", "b", "second")]
    without, with_bad = (
        standings([*pairs, *more], ["a", "b"]) for more in ([], [ModelPair("a", "b", "both_bad")] * 9)
    )
    assert [one.strength for one in without] == [one.strength for one in with_bad]
