"""The summary of a project: each part from votes that were made for it, and JSON all the way down."""

import json

import numpy as np
import pytest
from tests.pipelines.votes.conftest import pair, vote_all

from truing.pipelines.votes.summary import summarise
from truing.store.answers import PairAnswer


def project(make_store, people=3, items=30):
    """Model A wins where its text says so, with one vote in ten at random."""
    rng = np.random.default_rng(0)
    better = rng.random(items) < 0.7
    store = make_store(
        [pair(f"q{i}", (f"good {i}" if better[i] else f"poor {i}", "fair")) for i in range(items)],
        overlap=people,
    )

    def rule(shown):
        right = "first" if shown.item.responses[0].text.startswith("good") else "second"
        return PairAnswer(right if rng.random() < 0.9 else ("tie", "both_bad")[rng.integers(2)])

    for i in range(people):
        vote_all(store, f"person {i}", rule)
    return store


def test_every_part_is_there_and_counts_the_same_votes(make_store):
    found = summarise(project(make_store), draws=200)
    assert (found.items, found.complete, found.votes, found.skips) == (30, 30, 90, 0)
    (question,) = found.questions
    assert (question.name, question.items, question.several) == ("pair", 30, 30)
    rows = {row.name: row for row in question.rows}
    alpha = rows["alpha_nominal"].interval
    assert 0.2 < alpha.low < alpha.estimate < alpha.high < 1
    assert rows["cohen_kappa"].interval is None
    assert found.models is not None
    assert [one.model for one in found.models.models] == ["A", "B"]
    assert sum(one.wins for one in found.models.models) + found.models.models[0].ties + found.models.bad == 90
    assert [one.report.votes for one in found.people] == [30, 30, 30]
    assert {one.name for one in found.people} == {"person 0", "person 1", "person 2"}


def test_the_row_is_json_with_reasons_and_the_same_each_time(make_store):
    store = project(make_store)
    row = summarise(store, draws=100).as_row()
    assert json.loads(json.dumps(row)) == row == summarise(store, draws=100).as_row()
    cohen = next(one for one in row["questions"][0]["rows"] if one["name"] == "cohen_kappa")
    assert cohen == {
        "name": "cohen_kappa",
        "interval": None,
        "undefined": "Cohen's kappa compares two people, and 3 voted",
    }


def test_a_project_without_votes_has_a_summary(make_store):
    found = summarise(make_store([pair("q", ("a", "b"), (None, None))]))
    assert (found.votes, found.questions, found.people, found.models) == (0, (), (), None)
    assert "no vote is on a pair whose two models are named" in str(found.no_models)


@pytest.mark.parametrize("people", [1, 2])
def test_few_people_have_reasons_in_place_of_numbers(make_store, people):
    found = summarise(project(make_store, people), draws=100)
    rows = {row.name: row for row in found.questions[0].rows}
    if people == 1:
        assert "two people" in str(rows["alpha_nominal"].undefined)
        assert "one person voted" in str(found.models.models[0].undefined)
    else:
        assert rows["cohen_kappa"].interval is not None
