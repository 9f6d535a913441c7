"""A plan fits the minutes: more minutes, more prompts a round, down to the least and up to all."""

import pytest
from tests.pipelines.harden.conftest import PACE

from truing.config.harden import HardenRecipe
from truing.core.messages import told
from truing.core.told_zh import ZH
from truing.core.words import add_words
from truing.pipelines.harden import plan
from truing.pipelines.harden.plan import LEAST, RoundsPlan, costs, make_plan, store_plan, stored_plan


def recipe(minutes: float = 60, **changes: object) -> HardenRecipe:
    asked = {"harden": {"policy": "p"} | changes, "output": "o", "minutes": minutes}
    return HardenRecipe.model_validate(asked)


def test_costs_grow_with_rounds_controls_and_prompts():
    def seconds(topics: int = 100, **changes: object) -> float:
        return costs(recipe(60, **changes), PACE, 20.0).of(topics)

    assert seconds(200) > seconds()
    assert seconds(rounds=3) > seconds()
    assert seconds(control=False) < seconds()
    assert seconds(begin="last") < seconds()
    assert seconds(pairs=0.5) > seconds()
    assert seconds(per_category=3) < seconds()
    assert seconds(teach="whole") > seconds()
    assert seconds(balance=6.0) > seconds(), "retained answers are sampled and learnt from too"


def test_topics_fit_the_minutes():
    found = costs(recipe(), PACE, 20.0)
    for topics in (LEAST, 50, 200):
        assert found.topics_in(found.of(topics) + 1e-6, 500) == topics
    assert found.topics_in(0.0, 500) == LEAST
    assert found.topics_in(1e9, 500) == 500
    assert found.topics_in(1e9, 6) == 6


@pytest.fixture
def paced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "measured_pace", lambda *given: (PACE, 20.0))
    monkeypatch.setattr(plan, "recipe_of", lambda *given: {})


@pytest.mark.usefixtures("paced")
def test_a_plan_says_where_the_minutes_do_not_suffice(tmp_path):
    enough, short = (make_plan(recipe(n), 500, print) for n in (600, 0.1))
    assert enough.topics > short.topics == LEAST
    assert "do not suffice" not in enough.told()
    assert "the 0.1 minutes do not suffice" in short.told()
    given = make_plan(recipe(topics=7), 500, print)
    assert (given.topics, given.seconds) == (7, None), "nothing is measured where the number is given"
    assert given.told() == "7 of 500 prompts a round, as the recipe says"
    add_words("zh", ZH)
    assert "分钟" in told(short.told(), "zh")
    store_plan(short, tmp_path)
    assert stored_plan(tmp_path) == short
    assert isinstance(short, RoundsPlan)
