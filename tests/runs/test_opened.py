"""Parts of every session: its rate, its plan, its files."""

import pytest

from truing.config.recipe import Recipe
from truing.data.packing import pad
from truing.models.scoring import Scorer
from truing.runs.opened import plan_of, sources_of
from truing.training.step import DivergedItems


def test_the_rate_is_the_recipes_else_the_methods_until_it_is_changed(tiny, pairs, session_of):
    scorer = Scorer(tiny(), layout="padded")
    own = session_of(scorer, pairs, "dpo", optim={"learning_rate": 0.5, "items_per_step": 100})
    assert own.learning_rate == 0.5
    full, adapter = (session_of(scorer, pairs, "dpo", **changes) for changes in ({}, {"lora": {"r": 2}}))
    assert (
        full.own_rate == full.chosen.method.full_rate
        and adapter.own_rate == adapter.chosen.method.adapter_rate
    )
    own.set_rate(0.25)
    assert (own.learning_rate, own.own_rate) == (0.25, 0.5)


def test_a_plan_gives_each_step_its_items():
    optim = {"items_per_step": 4, "epochs": 3, "max_steps": 5}
    recipe = Recipe.model_validate(
        {"method": "sft", "policy": "p", "data": {"train": "t"}, "optim": optim, "seed": 2}
    )
    plan = plan_of(recipe, 12)
    assert (plan.steps_per_epoch, plan.total) == (3, 5) and len(plan.items_of(1)) == 4
    assert sources_of(None) == []


def test_rows_that_diverge_are_named_by_their_place(tiny, pairs, session_of):
    session = session_of(Scorer(tiny(), layout="padded"), pairs, "dpo")
    session.places = [f"a.jsonl:{n + 1}" for n in range(len(pairs))]
    with pytest.raises(DivergedItems, match=r"a\.jsonl:3"), session.rows_named():
        raise DivergedItems("the loss is nan", [2])
    assert pad(pairs).branches == 14
