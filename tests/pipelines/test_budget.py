"""The quickstart's plan: arithmetic on a made-up machine, and that a folder keeps the plan it has."""

from dataclasses import replace

import pytest

from truing.core.errors import UsageError
from truing.pipelines.budget import (
    ALL_GOALS,
    FEWER,
    FEWER_GOALS,
    LEAST,
    MARGIN,
    MachinePace,
    QuickstartPlan,
    Sizes,
    expected,
    planned,
    store,
    stored,
)

PACE = MachinePace(load=2.0, read=0.001, write=0.005, keep=0.1, learn=0.5)
SIZES = Sizes(topics=1000, retained=50, held_out=100, ordinary=200, neutral=1000, prompt=10.0)
PLAN = QuickstartPlan("some/model", "en", 5.0, "float32", "a CPU, AVX2, 2 threads", 0, 0, {}, 0, PACE)


def test_each_stage_costs_what_its_prompts_tokens_and_steps_cost():
    """80 topics: 16 prompts become pairs, of which DPO sees 8; SFT sees each topic once.

    sft         80 topics of two rows, and 50 retained rows

    measuring   200 × (10 × 0.001 + 20 × 0.005) + 1000 × 1.3 × 0.001 = 23.3
    ordinary    200 × (10 × 0.001 + 10 × 0.005) = 12
    drift       2 × 200 / 6 responses × (10 + 20) tokens × 1.3 × 0.001 = 2.6
    """
    found = expected(PACE, SIZES, 80, FEWER)
    assert found == pytest.approx(
        {
            "measure_before": 2 + 23.3,
            "sample": 2 + (130 * (10 * 0.001 + 12 * 0.005) + 16 * (10 * 0.001 + 40 * 0.005)),
            "sft": 4 + (80 + 0.45 * 50) * (0.1 + 0.5),
            "dpo": 4 + 8 * 4.5 * 0.5,
            "measure_after": 4 + (23.3 + 12 + 2.6),
        },
        rel=1e-4,
    )


@pytest.mark.parametrize("minutes", [5, 10])
def test_the_plan_fills_its_time_but_for_a_margin(minutes):
    plan = planned(replace(PLAN, minutes=minutes), SIZES, spent=12.0)
    available = (1 - MARGIN) * (60 * minutes - 12)
    assert plan.topics % FEWER.per_step == 0
    assert plan.total - 12 <= available
    assert sum(expected(PACE, SIZES, plan.topics + FEWER.per_step, FEWER).values()) > available
    assert plan.goals == FEWER_GOALS


def test_a_fast_machine_learns_from_all_and_a_slow_one_from_enough():
    fast = planned(replace(PLAN, pace=MachinePace(0.5, 1e-4, 1e-4, 0.01, 0.04)), SIZES)
    assert (fast.topics, fast.goals) == (1000, ALL_GOALS)
    assert fast.told().endswith("1000 topics, about 2 minutes, all there are")
    slow = planned(replace(PLAN, pace=MachinePace(20.0, 0.01, 0.05, 1.0, 5.0)), SIZES)
    assert slow.topics == LEAST
    assert planned(PLAN, replace(SIZES, topics=7)).topics == 7


def test_the_plan_says_what_all_topics_would_take():
    plan = planned(PLAN, SIZES)
    assert f"{plan.topics} topics, about {plan.total / 60:.0f} minutes; `--minutes " in plan.told()
    assert planned(replace(PLAN, minutes=plan.all_minutes), SIZES).topics == 1000
    assert planned(replace(PLAN, minutes=plan.all_minutes - 1), SIZES).topics < 1000


def test_a_folder_keeps_its_plan_and_refuses_another(tmp_path):
    asked = {"policy": "some/model", "language": "en", "minutes": None}
    assert stored(tmp_path, **asked) is None
    plan = planned(PLAN, SIZES)
    store(plan, tmp_path)
    assert stored(tmp_path, **asked) == plan
    assert stored(tmp_path, **asked | {"minutes": 5}) == plan
    for change in ({"minutes": 30}, {"language": "zh"}, {"policy": "other/model"}):
        with pytest.raises(UsageError, match="holds a quickstart of"):
            stored(tmp_path, **asked | change)
