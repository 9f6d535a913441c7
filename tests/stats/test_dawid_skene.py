"""The fit against the example of the paper, planted errors, and what it may not depend on."""

import numpy as np
import pytest

from truing.core.errors import DataError
from truing.stats.dawid_skene import dawid_skene

# Dawid & Skene 1979, table 1: the grades of 45 patients by five anaesthetists, the first of whom saw each
# patient three times.
GRADES = (
    "111 1 1 1 1|333 4 3 3 4|112 2 1 2 2|222 3 1 2 1|222 3 2 2 2|222 3 3 2 2|122 2 1 1 1|333 3 4 3 3|"
    "222 2 2 2 3|232 2 2 2 3|444 4 4 4 4|222 3 3 4 3|111 1 1 1 1|222 3 2 1 2|121 1 1 1 1|111 2 1 1 1|"
    "111 1 1 1 1|111 1 1 1 1|222 2 2 2 1|222 1 3 2 2|222 2 2 2 2|222 2 2 2 1|222 3 2 2 2|221 2 2 2 2|"
    "111 1 1 1 1|111 1 1 1 1|232 2 2 2 2|111 1 1 1 1|111 1 1 1 1|112 1 1 2 1|111 1 1 1 1|333 3 2 3 3|"
    "111 1 1 1 1|222 2 2 2 2|222 3 2 3 2|433 4 3 4 3|221 2 2 3 2|232 3 2 3 3|333 3 4 3 2|111 1 1 1 1|"
    "111 1 1 1 1|121 2 1 1 1|232 2 2 2 2|121 1 1 1 1|222 2 2 2 2"
)
PATIENTS = [
    (patient, person, grade)
    for patient, row in enumerate(GRADES.split("|"), 1)
    for person, grades in enumerate(row.split(), 1)
    for grade in grades
]


def test_the_published_example():
    """Table 2 of the paper: the shares of the grades, and the errors of the first anaesthetist."""
    found = dawid_skene(PATIENTS, "1234", smoothing=0)
    assert found.settled
    assert found.shares == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=5e-3)
    assert found.confusion[0] == pytest.approx(
        np.array([[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0], [0, 0.34, 0.66, 0], [0, 0, 0.56, 0.44]]),
        abs=6e-3,
    )


def planted(rng, accuracies, items=400, answers=("first", "second", "tie")):
    truth = rng.integers(len(answers), size=items)
    votes = []
    for item, true in enumerate(truth):
        for person, accuracy in enumerate(accuracies):
            right = rng.random() < accuracy
            given = true if right else (true + rng.integers(1, len(answers))) % len(answers)
            votes.append((item, person, answers[given]))
    return truth, votes


def test_planted_accuracies_are_found_and_beat_the_majority():
    """Two good people among five: the fit sees who they are, a majority does not."""
    rng = np.random.default_rng(0)
    accuracies = [0.95, 0.9, 0.45, 0.4, 0.4]
    answers = ("first", "second", "tie")
    truth, votes = planted(rng, accuracies)
    found = dawid_skene(votes, answers)
    assert found.accuracy() == pytest.approx(accuracies, abs=0.06)
    counts = np.zeros((len(truth), 3))
    for item, _, answer in votes:
        counts[item, answers.index(answer)] += 1
    by_fit = (found.posterior.argmax(1) == truth).mean()
    by_majority = (counts.argmax(1) == truth).mean()
    assert by_fit > by_majority + 0.1
    # Its doubt is honest: the mean probability of the chosen answer is how often it is right.
    assert found.posterior.max(1).mean() == pytest.approx(by_fit, abs=0.04)


def test_neither_the_order_of_votes_nor_names_matter():
    rng = np.random.default_rng(1)
    _, votes = planted(rng, [0.8, 0.7, 0.6], items=40)
    one = dawid_skene(votes, ("first", "second", "tie"))
    other = dawid_skene([votes[i] for i in rng.permutation(len(votes))], ("tie", "first", "second"))
    for item in range(40):
        assert other.of(item) == pytest.approx(one.of(item), abs=1e-6)


def test_one_vote_leaves_doubt_and_smoothing_is_what_leaves_it():
    """A row of π has 1 right pseudo-vote and 1 wrong one, and the vote itself: more than half, far from 1."""
    found = dawid_skene([("a", "ann", "yes")], ["yes", "no"])
    assert 0.5 < found.of("a")["yes"] < 0.95
    assert dawid_skene([("a", "ann", "yes")], ["yes", "no"], smoothing=0).of("a")["yes"] == 1


def test_one_answer_is_certain_where_there_is_no_other():
    found = dawid_skene([("a", "ann", "yes"), ("b", "bob", "yes")])
    assert found.of("b") == {"yes": 1.0}
    assert found.accuracy() == [1.0, 1.0]


def test_ten_thousand_items_settle():
    rng = np.random.default_rng(2)
    _, votes = planted(rng, [0.9, 0.7, 0.6], items=10_000)
    found = dawid_skene(votes)
    assert found.settled
    assert found.accuracy() == pytest.approx([0.9, 0.7, 0.6], abs=0.03)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: dawid_skene([]), "there is no vote"),
        (lambda: dawid_skene([("a", "ann", "third")], ["first", "second"]), "'third' is none of 'first'"),
        (lambda: dawid_skene([("a", "ann", "x")]).of("b"), "'b' has no votes"),
    ],
)
def test_votes_that_cannot_be_read_are_an_error(call, said):
    with pytest.raises(DataError, match=said):
        call()
